output "queue_urls" {
  description = "Values of `discovery.events[].queue_url`, by queue name."
  value       = { for name, queue in aws_sqs_queue.events : name => queue.url }
}

output "queue_arns" {
  description = "ARNs of the queues, by queue name."
  value       = { for name, queue in aws_sqs_queue.events : name => queue.arn }
}

output "dead_letter_queue_urls" {
  description = "URLs of the dead-letter queues, by queue name."
  value       = { for name, queue in aws_sqs_queue.dead_letters : name => queue.url }
}

output "rule_arns" {
  description = "ARNs of the rules."
  value       = concat([aws_cloudwatch_event_rule.connectors.arn], aws_cloudwatch_event_rule.cloudtrail[*].arn)
}

output "policy" {
  description = "Additional policy of the exporter, as JSON."
  value       = module.documents.policy
}

output "sender_policy" {
  description = "Policy of principals that send messages, as JSON."
  value       = module.documents.sender_policy
}

output "key_policy" {
  description = "Policy of a KMS key, as JSON."
  value       = module.documents.key_policy
}

output "kms_key_arn" {
  description = "ARN of the KMS key; null with SSE-SQS."
  value       = local.kms_key_arn

  precondition {
    condition     = !(var.create_kms_key && var.kms_key_arn != null)
    error_message = "Set `create_kms_key` or `kms_key_arn`, not both."
  }
}
