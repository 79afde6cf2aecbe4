"""Hand-made metrics.csv files of runs that nobody trained."""

HEADER = "step,features,task,model,metric,mean,std\n"


def evaluation(step, level, features="trained", model="knn") -> str:
    """Return lines of metrics.csv: accuracy is the level, MAP@R half of it, the error 1 less the level."""
    return (
        f"{step},{features},single_class,{model},accuracy,{level:.6g},0.01\n"
        f"{step},{features},single_class,-,MAP@R,{level / 2:.6g},0.02\n"
        f"{step},{features},single_class,-,MAP@R_chance,0.05,0\n"
        f"{step},{features},multi_class,{model},sum_error,{1 - level:.6g},0.03\n"
    )


def metrics(trained: dict[int, float], untrained: float, bands: float, model: str = "knn") -> str:
    """Return a metrics.csv with two yardsticks, and the trained network at some steps: step -> level."""
    yardsticks = evaluation(0, untrained, "untrained", model) + evaluation(0, bands, "band_statistics", model)
    return HEADER + yardsticks + "".join(evaluation(step, level, model=model) for step, level in trained.items())
