"""The painter of each cover at 10 m: colours overlap between covers, structure distinguishes them.

A painter takes the pixels of one cover and returns their colours (n, 3) float32, 0..255, as a true-colour rendering of
Sentinel-2 shows a temperate country in early summer. Within every cover, brightness and tone vary between patches and
parcels, so that a mean colour says little; rows, crowns, blocks, creeks and terraces say more.
"""

from dataProcessors.demo import built_up, countryside

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
    "centre": built_up.centre,
    "suburb": built_up.suburb,
    "industry": built_up.industry,
    "park": built_up.park,
    "sports": built_up.sports,
    "quarry": built_up.quarry,
    "dump": built_up.dump,
    "construction": built_up.construction,
    "river": countryside.river,
    "lake": countryside.lake,
    "estuary": countryside.river,
    "sea": countryside.sea,
}
