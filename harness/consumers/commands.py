"""Which of NeMo Gym's classes read the settings of each ``gym`` command. Importable without NeMo Gym."""

from __future__ import annotations

#: The classes into which every server parses the global configuration, and which the commands that start servers take.
SERVER_CONFIGS = (
    "nemo_gym.server_utils:GlobalAIOHTTPAsyncClientConfig",
    "nemo_gym.server_utils:ProfilingMiddlewareConfig",
    "nemo_gym.server_utils:UvicornLoggingConfig",
    "nemo_gym.server_utils:UvicornProxyHeadersConfig",
)

#: The classes into which each ``gym`` command parses the global configuration, beside the keys reserved for all.
#: A command that parses none takes only servers and reserved keys.
COMMAND_CONFIGS: dict[str, tuple[str, ...]] = {
    "list benchmarks": (),
    "list environments": (),
    "list agents": (),
    "list models": (),
    "list resources-servers": (),
    "search": (),
    "dataset upload": (
        "nemo_gym.config_types:UploadJsonlDatasetHuggingFaceConfig",
        "nemo_gym.config_types:UploadJsonlDatasetGitlabConfig",
    ),
    "dataset download": (
        "nemo_gym.config_types:DownloadJsonlDatasetHuggingFaceConfig",
        "nemo_gym.config_types:DownloadJsonlDatasetGitlabConfig",
    ),
    "dataset rm": ("nemo_gym.config_types:DeleteJsonlDatasetGitlabConfig",),
    "dataset migrate": ("nemo_gym.config_types:UploadJsonlDatasetHuggingFaceMaybeDeleteConfig",),
    "dataset render": ("nemo_gym.prompt:MaterializePromptsConfig",),
    "dataset collate": ("nemo_gym.train_data_utils:TrainDataProcessorConfig",),
    "env init": ("nemo_gym.cli.env:RunConfig", "nemo_gym.cli.env:InitEnvironmentConfig"),
    "env resolve": (  # it prints what any of them would read
        "nemo_gym.rollout_collection:RolloutCollectionConfig",
        "nemo_gym.rollout_collection:E2ERolloutCollectionConfig",
        *SERVER_CONFIGS,
    ),
    "env schema": ("nemo_gym.cli.env:SchemaConfig",),
    "env validate": ("nemo_gym.cli.env:ManifestCommandConfig",),
    "env packages": ("nemo_gym.cli.env:PipListConfig",),
    "env test": ("nemo_gym.cli.env:TestConfig", "nemo_gym.cli.env:TestAllConfig"),
    "env publish": ("nemo_gym.cli.env:ManifestCommandConfig",),
    "env start": SERVER_CONFIGS,
    "env prefetch": (),
    "env status": (),
    "eval prepare": ("nemo_gym.cli.eval:PrepareBenchmarkConfig",),
    "eval run": (
        "nemo_gym.rollout_collection:RolloutCollectionConfig",
        "nemo_gym.rollout_collection:E2ERolloutCollectionConfig",
        *SERVER_CONFIGS,
    ),
    "eval aggregate": ("nemo_gym.rollout_collection:RolloutAggregationConfig",),
    "eval health-check": (),
    "eval export": ("nemo_gym.atif_export:ExportAtifConfig",),
    "eval reverify": ("nemo_gym.rollout_reverification:RolloutReverificationConfig", *SERVER_CONFIGS),
    "eval profile": ("nemo_gym.reward_profile:RewardProfileConfig",),
    "eval submit": (),
    "eval compare": ("nemo_gym.comparison.schema:ComparisonConfig",),
    "dev test": (),
}
