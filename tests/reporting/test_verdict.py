"""The verdict on a run: what is said in each case, and that it comes from the files of the run."""

import math

import pytest

from reporting.draws_csv import DrawsFile, draws_at, read_draws
from reporting.verdict import Facts, comparisons, evidence, verdict

NAN = math.nan
ACCURACY, ERROR, MAP = "single_class/accuracy/knn", "multi_class/sum_error/knn", "retrieval/MAP@R"
LOW, HIGH = [0.50, 0.52, 0.49, 0.51], [0.70, 0.71, 0.69, 0.72]


def facts(**changes) -> Facts:
    return Facts(
        **{"best_metric": ACCURACY, "evaluated": [0, 50, 100, 150], "best_step": 100, "total_steps": 150} | changes
    )


def draws_of(trained: dict, **others: dict) -> dict:
    return {"trained": trained, **others}


def test_better_in_all_figures_is_said_without_advice_or_praise():
    others = {"untrained": {ACCURACY: LOW, ERROR: HIGH}, "band_statistics": {ACCURACY: LOW, ERROR: HIGH}}
    text = verdict(draws_of({ACCURACY: HIGH, ERROR: LOW}, **others), facts(false_negatives=0.9))
    assert text == (
        "The trained network (step 100, the best by single_class/accuracy/knn) is better than the best yardstick in 2 "
        "of 2 figures: accuracy of knn (0.705, untrained 0.505), summed error of knn (0.505, untrained 0.705)."
    )
    assert "!" not in text


def test_worse_than_band_statistics_in_most_figures_comes_first():
    other = {ACCURACY: HIGH, ERROR: LOW, MAP: LOW}
    text = verdict(draws_of({ACCURACY: LOW, ERROR: HIGH, MAP: HIGH}, band_statistics=other), facts())
    assert text.startswith("Worse than band statistics in 2 of 3 figures. The trained network (step 100")
    assert "is better than the best yardstick in 1 of 3 figures: MAP@R (0.705, band statistics 0.505); " in text
    assert "worse in 2: accuracy of knn (0.505, band statistics 0.705), summed error of knn" in text


def test_half_of_the_figures_are_not_most():
    other = {ACCURACY: HIGH, MAP: LOW}
    assert verdict(draws_of({ACCURACY: LOW, MAP: HIGH}, band_statistics=other), facts()).startswith("The trained")


def test_worse_than_another_yardstick_alone_does_not_come_first():
    draws = draws_of({ACCURACY: LOW}, band_statistics={ACCURACY: LOW}, random_convolutions={ACCURACY: HIGH})
    text = verdict(draws, facts())
    assert text.startswith("The trained network")
    assert "better than the best yardstick in none of 1 figures; worse in 1: accuracy of knn" in text
    assert "random_convolutions 0.705" in text or "random convolutions 0.705" in text


def test_the_best_yardstick_may_be_another_one_in_every_figure():
    draws = draws_of({ACCURACY: LOW, ERROR: LOW}, a={ACCURACY: HIGH, ERROR: HIGH}, b={ACCURACY: LOW, ERROR: LOW})
    assert [each.yardstick for each in comparisons(draws)] == ["a", "b"]


def test_chance_and_coarsened_labels_are_no_yardsticks():
    draws = draws_of({MAP: LOW}, chance={MAP: HIGH}, coarsened_labels={MAP: HIGH})
    assert comparisons(draws) == []
    assert verdict(draws, facts()).startswith("Nothing could be compared: no values of a yardstick")


@pytest.mark.parametrize(
    ("gains", "said"),
    [
        ([0.1, 0.1, 0.1, 0.1], "better"),
        ([-0.1, -0.1, -0.1, -0.1], "worse"),
        ([0, 0, 0, 0], ""),
        ([0.1, 0.1, 0.1, 0.0], ""),  # mean 0.075, standard error 0.056
        ([0.1, 0.1, 0.1, 0.05], "better"),  # mean 0.088, standard error 0.028
        ([-0.05, -0.1, -0.1, -0.1], "worse"),
    ],
)
@pytest.mark.parametrize("tag", [ACCURACY, ERROR])
def test_two_standard_errors_of_paired_differences_decide(gains, said, tag):
    other = [0.3, 0.9, 0.5, 0.7]  # the draws differ far more than the feature sets
    towards = -1 if tag == ERROR else 1
    trained = [value + towards * gain for value, gain in zip(other, gains)]
    (found,) = comparisons(draws_of({tag: trained}, untrained={tag: other}))
    assert found.verdict == said


def test_draws_without_a_value_are_left_out_of_both():
    draws = draws_of({ACCURACY: [0.9, NAN, 0.7, 0.8]}, untrained={ACCURACY: [0.5, 0.1, NAN, 0.4]})
    (found,) = comparisons(draws)
    assert (found.trained, found.other, found.verdict) == (pytest.approx(0.85), pytest.approx(0.45), "better")


def test_undefined_figures_are_left_out():
    draws = draws_of({ACCURACY: HIGH, MAP: [NAN] * 4}, untrained={ACCURACY: LOW, MAP: LOW})
    assert "in 1 of 1 figures" in verdict(draws, facts())


def test_scores_beyond_the_short_list_do_not_count():
    more = {"single_class/silhouette": HIGH, "single_class/weighted_F1/knn": HIGH, "embedding/used_dimensions": HIGH}
    assert [each.tag for each in comparisons(draws_of({ACCURACY: HIGH} | more, a={ACCURACY: LOW} | more))] == [ACCURACY]


@pytest.mark.parametrize(
    ("draws", "reason"),
    [
        ({}, "no evaluation of the network with values of each draw is there"),
        ({"untrained": {ACCURACY: LOW}}, "no evaluation of the network with values of each draw is there"),
        (draws_of({ACCURACY: [NAN] * 4}, untrained={ACCURACY: LOW}), "no figure is defined, as where the scored tiles "
         "have a single class or no labels"),
        (draws_of({ACCURACY: [0.5]}, untrained={ACCURACY: [0.4]}), "each figure has a value in fewer than two draws; "
         "set 'valIteration' to 2 or more"),
        (draws_of({ACCURACY: LOW}), "no values of a yardstick in each draw are there, as in a run that an earlier "
         "revision began"),
    ],
)  # fmt: skip
def test_why_nothing_could_be_compared(draws, reason):
    assert verdict(draws, facts()) == f"Nothing could be compared: {reason}."


def test_without_evidence_the_page_is_named():
    draws = draws_of({ACCURACY: LOW}, untrained={ACCURACY: LOW})
    known = facts(false_negatives=0.05, false_positives=0.1, used_dimensions=0.5)
    text = verdict(draws, known)
    assert "not clearly different in 1" in text
    assert text.endswith("The numbers of this run do not say why; doc/evaluation.md#the-verdict names what to try.")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"false_negatives": 0.41}, "train/false_negatives: 41% of the pairs used as negatives are of one class (try"),
        ({"false_positives": 0.3}, "train/false_positives: 30% of the pairs used as positives are of two classes (try"),
        ({"used_dimensions": 0.04}, "the embedding uses about 4% of its dimensions"),
        ({"best_step": 150}, "was still getting better at the last evaluation (try more 'epochs')"),
        ({"best_step": 0}, "no trained network has a better single_class/accuracy/knn than the untrained one"),
        ({"best_step": 50}, "was best at the first evaluation of a trained network, and worse later"),
        ({"best_step": 50, "evaluated": [0, 50]}, "a single trained network was evaluated, which does not say whether"),
    ],
)
def test_each_piece_of_evidence_is_named(changes, words):
    (reason,) = evidence(facts(**changes))
    assert words in reason
    draws = draws_of({ACCURACY: LOW}, band_statistics={ACCURACY: HIGH})
    assert verdict(draws, facts(**changes)).endswith(f"Look at: {reason}.")


@pytest.mark.parametrize(
    "changes", [{}, {"has_best_metric": False, "best_step": 150}, {"evaluated": [0], "best_step": 0}]
)
def test_no_evidence_is_made_up(changes):
    assert list(evidence(facts(**changes))) == []


def test_several_pieces_of_evidence_are_all_named():
    assert len(list(evidence(facts(false_negatives=0.4, false_positives=0.4, used_dimensions=0.0, best_step=150)))) == 4


def test_an_untrained_network_is_not_compared_with_itself():
    draws = draws_of({ACCURACY: LOW}, untrained={ACCURACY: LOW}, band_statistics={ACCURACY: HIGH})
    text = verdict(draws, facts(best_step=0))
    assert text.startswith("Worse than band statistics in 1 of 1 figures. The untrained network (step 0, the best by ")
    assert "worse in 1: accuracy of knn (0.505, band statistics 0.705)" in text
    assert text.endswith("than the untrained one (try a smaller 'learning_rate', or another 'best_metric').")


def test_a_run_that_goes_on_is_judged_so_far():
    draws = draws_of({ACCURACY: HIGH}, untrained={ACCURACY: LOW})
    text = verdict(draws, facts(total_steps=600))
    assert text.startswith("So far, at step 150 of 600, the trained network (step 100, the best by")


def test_without_a_value_of_the_best_metric_the_last_network_is_judged():
    draws = draws_of({MAP: HIGH}, untrained={MAP: LOW})
    text = verdict(draws, facts(best_step=150, has_best_metric=False))
    assert text.startswith("The trained network (step 150, the last; none has a single_class/accuracy/knn) is better")


def test_draws_are_read_as_they_were_written(tmp_path):
    from evaluation.scores import Evaluation

    path = tmp_path / "draws.csv"
    for step, names in ((0, ("trained", "untrained")), (50, ("trained",)), (100, ("trained",))):
        values = {ACCURACY: [0.25, NAN, step / 1000], MAP: [1 / 3]}
        DrawsFile(path).append(step, [Evaluation(name, [], {}, {}, None, by_draw=values) for name in names])
    kept = read_draws(path)
    assert {step: sorted(draws) for step, draws in kept.items()} == {
        0: ["trained", "untrained"],
        50: ["trained"],
        100: ["trained"],
    }
    assert kept[100]["trained"] == {ACCURACY: [0.25, pytest.approx(NAN, nan_ok=True), 0.1], MAP: [0.333333]}
    assert draws_at(kept, 50) == {"trained": kept[50]["trained"], "untrained": kept[0]["untrained"]}
    assert list(draws_at(kept, 70)) == ["untrained"]
    path.write_text(path.read_text() + "150,trained,a,x y\n200,tra")
    assert list(read_draws(path)) == [0, 50, 100], "damaged and incomplete rows are skipped"
    DrawsFile(path).keep_until(50)
    assert list(read_draws(path)) == [0, 50]
    assert read_draws(tmp_path / "none.csv") == {}
