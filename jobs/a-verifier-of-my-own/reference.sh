# environments/custom-resource-servers
gym env init --resources-server estimate
cat > resources_servers/estimate/app.py <<'PY'
import re

from nemo_gym.base_resources_server import BaseVerifyRequest, BaseVerifyResponse, SimpleResourcesServer


class EstimateRequest(BaseVerifyRequest):
    expected_answer: float


class EstimateServer(SimpleResourcesServer):
    ray_enabled = False

    async def verify(self, body: EstimateRequest) -> BaseVerifyResponse:
        numbers = re.findall(r"-?\d+(?:\.\d+)?", body.response.output_text.replace(",", ""))
        off = abs(float(numbers[-1]) - body.expected_answer) if numbers else None
        if off is None or off > abs(body.expected_answer) / 10:
            return BaseVerifyResponse(**body.model_dump(), reward=0.0)
        return BaseVerifyResponse(**body.model_dump(), reward=0.5 if off else 1.0)


if __name__ == "__main__":
    EstimateServer.run_webserver()
PY
cat > estimate.yaml <<'YAML'
estimate:
  resources_servers:
    estimate:
      entrypoint: app.py
      domain: other
YAML
