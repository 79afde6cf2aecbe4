"""How each cover looks at 10 m: colours that overlap between covers, structure that tells them apart.

A painter takes the pixels of one cover and gives their colours (n, 3) float32, 0..255, as a true-colour rendering of
Sentinel-2 shows a temperate country in early summer. Brightness and tone vary from patch to patch and parcel to parcel
within every cover, so that a mean colour says little; rows, crowns, blocks, creeks and terraces say more.
"""

from dataProcessors.demo import built, countryside

PAINTERS = {
    "arable": countryside.arable,
    "pasture": countryside.pasture,
    "vineyard": countryside.vineyard,
    "orchard": countryside.orchard,
    "broad-leaved": countryside.broad_leaved,
    "coniferous": countryside.coniferous,
    "mixed": countryside.mixed,
    "grassland": countryside.grassland,
    "heath": countryside.heath,
    "scrub": countryside.scrub,
    "beach": countryside.beach,
    "dune": countryside.dune,
    "rock": countryside.rock,
    "gravel": countryside.gravel,
    "marsh": countryside.marsh,
    "bog": countryside.bog,
    "salt marsh": countryside.salt_marsh,
    "tidal flat": countryside.tidal_flat,
    "centre": built.centre,
    "suburb": built.suburb,
    "industry": built.industry,
    "park": built.park,
    "sports": built.sports,
    "quarry": built.quarry,
    "dump": built.dump,
    "construction": built.construction,
    "river": countryside.river,
    "lake": countryside.lake,
    "estuary": countryside.river,
    "sea": countryside.sea,
}
