"""The row of a run in TensorBoard's table of runs (HParams page): config keys and last scores."""

from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

# five columns are shown at first; users can add others
SHOWN_KEYS = "loss", "network", "supervised", "mining", "learning_rate"
TYPES = {bool: DataType.DATA_TYPE_BOOL, str: DataType.DATA_TYPE_STRING}


def hparams_summaries(keys: dict[str, float | str | bool], metrics: list[str]) -> list[Summary]:
    """Return the summaries that an event file needs for its run to appear in the table.

    Args:
        keys: config key -> value
        metrics: tags of the scores in the table, which shows the last value of each
    """
    types = {key: TYPES.get(type(value), DataType.DATA_TYPE_FLOAT64) for key, value in keys.items()}
    infos = [HParamInfo(name=key, type=type_, differs=key in SHOWN_KEYS) for key, type_ in types.items()]
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


def _summary(tag: str, **content: Any) -> Summary:
    data = HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content).SerializeToString()
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=data)
    empty = TensorProto(dtype=DT_FLOAT, float_val=[0], tensor_shape=TensorShapeProto())
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=plugin), tensor=empty)])
