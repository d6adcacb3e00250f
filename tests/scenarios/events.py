"""Events in the shapes that AWS sends, for invoking deployed functions with."""

from datetime import UTC, datetime
from typing import Any

ACCOUNT, REGION = "123456789012", "us-east-1"


def made_event(source: str, kind: str, at: datetime, resources: list[str], detail: object) -> dict[str, Any]:
    """An event in EventBridge's envelope."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    }


def state_event(instance: str, state: str, at: datetime) -> dict[str, Any]:
    arn = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}"
    detail = {"instance-id": instance, "state": state}
    return made_event("aws.ec2", "EC2 Instance State-change Notification", at, [arn], detail)


def alarm_event(instance: str, cluster: str = "local", at: datetime | None = None) -> dict[str, Any]:
    moment = at or datetime.now(UTC)
    name = f"cloudjhub-{cluster}-idle-{instance}"
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    metric = {
        "namespace": f"cloudjhub/{cluster}",
        "name": "Activity",
        "dimensions": {"InstanceId": instance},
    }
    detail = {
        "alarmName": name,
        "state": {"value": "ALARM", "reason": "Threshold Crossed", "reasonData": "{}", "timestamp": stamp},
        "previousState": {"value": "OK", "reason": "", "timestamp": stamp},
        "configuration": {
            "metrics": [
                {
                    "id": "m1",
                    "metricStat": {"metric": metric, "period": 10, "stat": "Maximum"},
                    "returnData": True,
                }
            ]
        },
    }
    arn = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"
    return made_event("aws.cloudwatch", "CloudWatch Alarm State Change", moment, [arn], detail)


def sweep_event() -> dict[str, Any]:
    return made_event("aws.events", "Scheduled Event", datetime.now(UTC), [], {})
