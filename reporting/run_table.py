"""A run as a row of TensorBoard's table of runs (its HParams page): keys of the config against final scores."""

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

MAIN_KEYS = "loss", "network", "supervised", "mining", "learning_rate"  # the table shows five columns at first
KINDS = {bool: DataType.DATA_TYPE_BOOL, str: DataType.DATA_TYPE_STRING}


def run_table(keys: dict[str, float | str | bool], metrics: list[str]) -> list[Summary]:
    """What the event file of a run must hold.

    Args:
        keys: of the config, and their values
        metrics: tags of the scores to compare; the table shows the last value of each
    """
    kinds = {key: KINDS.get(type(value), DataType.DATA_TYPE_FLOAT64) for key, value in keys.items()}
    infos = [HParamInfo(name=key, type=kind, differs=key in MAIN_KEYS) for key, kind in kinds.items()]
    scores = [MetricInfo(name=MetricName(tag=tag), display_name=tag) for tag in metrics]
    started = SessionStartInfo()
    for key, value in keys.items():
        field = {bool: "bool_value", str: "string_value"}.get(type(value), "number_value")
        setattr(started.hparams[key], field, value)
    return [
        _summary(metadata.EXPERIMENT_TAG, experiment=Experiment(hparam_infos=infos, metric_infos=scores)),
        _summary(metadata.SESSION_START_INFO_TAG, session_start_info=started),
        _summary(metadata.SESSION_END_INFO_TAG, session_end_info=SessionEndInfo(status=Status.STATUS_SUCCESS)),
    ]


def _summary(tag: str, **content) -> Summary:
    data = HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data)
    nothing = TensorProto(dtype=DT_FLOAT, float_val=[0], tensor_shape=TensorShapeProto())
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=nothing)])
