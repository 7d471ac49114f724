"""The metrics of a running service, read as Prometheus reads them."""

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from running_service import Service


class Scraped:
    """What ``/metrics`` said at one moment."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: list[Sample] = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    @classmethod
    def of(cls, service: Service) -> "Scraped":
        answer = service.client.get("/metrics")
        assert answer.status_code == 200, answer.text
        return cls(answer.text)

    def __call__(self, name: str, **labels: str) -> float:
        """The sum of the samples of ``name`` with these ``labels``, whatever else they have."""
        return sum(one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items())

    def values(self, label: str) -> set[str]:
        """Everything that ``label`` says, in any metric."""
        return {one.labels[label] for one in self.samples if label in one.labels}
