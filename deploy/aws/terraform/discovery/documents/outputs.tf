output "event_pattern" {
  description = "Event pattern of the rule for connector events, as JSON."
  value       = jsonencode({ source = ["aws.transfer"], "detail-type" = local.detail_types })
}

output "cloudtrail_event_pattern" {
  description = "Event pattern of the rule for StartFileTransfer, as JSON."
  value = jsonencode({
    source        = ["aws.transfer"]
    "detail-type" = ["AWS API Call via CloudTrail"]
    detail = {
      eventSource = ["transfer.amazonaws.com"]
      eventName   = ["StartFileTransfer"]
      errorCode   = [{ exists = false }] # rejected calls start no transfer
    }
  })
}

output "queue_policies" {
  description = "Queue policies, as JSON, by queue name."
  value = {
    for name, arn in var.queue_arns :
    name => jsonencode({ Version = "2012-10-17", Statement = concat(local.event_statements[arn], local.sender_statements[arn]) })
  }
}

output "dead_letter_queue_policies" {
  description = "Policies of the dead-letter queues, as JSON, by queue name."
  value = {
    for name, arn in var.dead_letter_queue_arns :
    name => jsonencode({ Version = "2012-10-17", Statement = local.event_statements[arn] })
  }
}

output "redrive_policies" {
  description = "Redrive policies, as JSON, by queue name."
  value = {
    for name, arn in var.dead_letter_queue_arns :
    name => jsonencode({ deadLetterTargetArn = arn, maxReceiveCount = var.max_receive_count })
  }
}

output "redrive_allow_policies" {
  description = "Redrive allow policies of the dead-letter queues, as JSON, by queue name."
  value = {
    for name, arn in var.queue_arns :
    name => jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [arn] })
  }
}

output "key_policy" {
  description = "Policy of the KMS key, as JSON: delegates to IAM, and allows EventBridge to use the key."
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
      # No condition on the source: AWS does not document it for keys of queues, and documents it as unsupported for keys of
      # topics. The policy of the queue has the condition.
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
  description = "Additional policy of the exporter, as JSON."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.receive_statements, local.dead_letter_statements, local.decrypt_statements, local.cloudtrail_statements,
      local.connector_statements, local.test_statements, local.read_statements
    )
  })
}

output "sender_policy" {
  description = "Policy of principals that send messages, as JSON."
  value       = jsonencode({ Version = "2012-10-17", Statement = concat(local.send_statements, local.encrypt_statements) })
}
