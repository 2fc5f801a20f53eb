output "queue_urls" {
  description = "For `discovery.events[].queue_url`, by the names of the queues."
  value       = { for name, queue in aws_sqs_queue.events : name => queue.url }
}

output "queue_arns" {
  description = "ARNs of the queues by their names."
  value       = { for name, queue in aws_sqs_queue.events : name => queue.arn }
}

output "dead_letter_queue_urls" {
  description = "URLs of the dead-letter queues by the names of their queues."
  value       = { for name, queue in aws_sqs_queue.dead_letters : name => queue.url }
}

output "rule_arns" {
  description = "ARNs of the rules."
  value       = concat([aws_cloudwatch_event_rule.connectors.arn], aws_cloudwatch_event_rule.cloudtrail[*].arn)
}

output "policy" {
  description = "What the exporter needs on top of its role's policy, as JSON."
  value       = module.documents.policy
}

output "sender_policy" {
  description = "What whoever sends messages of their own needs, as JSON."
  value       = module.documents.sender_policy
}

output "key_policy" {
  description = "A policy for a key in KMS, as JSON."
  value       = module.documents.key_policy
}

output "kms_key_arn" {
  description = "ARN of the key in KMS; null where SQS encrypts with its own."
  value       = local.kms_key_arn

  precondition {
    condition     = !(var.create_kms_key && var.kms_key_arn != null)
    error_message = "Give `create_kms_key` or `kms_key_arn`, not both."
  }
}
