output "event_pattern" {
  description = "What the rule for the connectors' events lets through, as JSON."
  value       = jsonencode({ source = ["aws.transfer"], "detail-type" = local.detail_types })
}

output "cloudtrail_event_pattern" {
  description = "What the rule for StartFileTransfer as CloudTrail tells it lets through, as JSON."
  value = jsonencode({
    source        = ["aws.transfer"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["transfer.amazonaws.com"]
      eventName   = ["StartFileTransfer"]
      errorCode   = [{ exists = false }] # a refused call started nothing
    }
  })
}

output "queue_policies" {
  description = "Who may send to each queue, as JSON, by its name."
  value = {
    for name, arn in var.queue_arns :
    name => jsonencode({ Version = "2012-10-17", Statement = concat(local.event_statements[arn], local.sender_statements[arn]) })
  }
}

output "dead_letter_queue_policies" {
  description = "Who may send to each dead-letter queue, as JSON, by the name of its queue."
  value = {
    for name, arn in var.dead_letter_queue_arns :
    name => jsonencode({ Version = "2012-10-17", Statement = local.event_statements[arn] })
  }
}

output "redrive_policies" {
  description = "When a message goes to which dead-letter queue, as JSON, by the name of the queue."
  value = {
    for name, arn in var.dead_letter_queue_arns :
    name => jsonencode({ deadLetterTargetArn = arn, maxReceiveCount = var.max_receive_count })
  }
}

output "redrive_allow_policies" {
  description = "For which queue each dead-letter queue is, as JSON, by the name of the queue."
  value = {
    for name, arn in var.queue_arns :
    name => jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [arn] })
  }
}

output "key_policy" {
  description = "A policy for the key in KMS, as JSON: the account's IAM decides, and EventBridge may use it."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      # No condition on the source: it is not documented for EventBridge's use of a queue's key, and for a topic's it is
      # documented as not supported. The queue's policy has it.
      {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
        Resource  = "*"
      },
    ]
  })
}

output "policy" {
  description = "What the exporter needs on top of its role's policy, as JSON."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.receive_statements, local.decrypt_statements, local.cloudtrail_statements, local.connector_statements, local.read_statements
    )
  })
}

output "sender_policy" {
  description = "What whoever sends messages of their own needs, as JSON."
  value       = jsonencode({ Version = "2012-10-17", Statement = concat(local.send_statements, local.encrypt_statements) })
}
