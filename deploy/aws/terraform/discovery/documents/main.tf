# The documents as JSON. No provider is required, so `terraform plan` works here without AWS credentials.

terraform {
  required_version = ">= 1.5"
}

locals {
  # Each operation of a connector ends with one of two events. There is no event for the start.
  file_operations  = ["File Send", "File Retrieve"]
  other_operations = ["Directory Listing", "Remote Move", "Remote Delete"]
  operations       = var.files_only ? local.file_operations : concat(local.file_operations, local.other_operations)
  detail_types = flatten([
    for operation in local.operations : [for end in ["Completed", "Failed"] : "SFTP Connector ${operation} ${end}"]
  ])

  rule_arns = compact([var.rule_arn, var.cloudtrail_rule_arn])

  # arn:PARTITION:events:REGION:ACCOUNT:rule/NAME
  partition = split(":", var.rule_arn)[1]
  region    = split(":", var.rule_arn)[3]
  account   = split(":", var.rule_arn)[4]

  every_connector = ["arn:${local.partition}:transfer:${local.region}:${local.account}:connector/*"]
  connector_arns  = length(var.connector_arns) == 0 ? local.every_connector : sort(distinct(var.connector_arns))

  # The same for queues and dead-letter queues, since EventBridge sends undeliverable events to the latter.
  event_statements = {
    for arn in concat(values(var.queue_arns), values(var.dead_letter_queue_arns)) : arn => [
      {
        Sid       = "EventBridge"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.rule_arns } }
      },
      {
        Sid       = "SecureTransport"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  }

  sender_statements = {
    for arn in values(var.queue_arns) : arn => length(var.sender_arns) == 0 ? [] : [{
      Sid       = "Senders"
      Effect    = "Allow"
      Principal = { AWS = sort(distinct(var.sender_arns)) }
      Action    = "sqs:SendMessage"
      Resource  = arn
    }]
  }

  # The domain of the endpoints of each partition, from the partition data of the AWS SDKs.
  domains = {
    "aws-cn"    = "amazonaws.com.cn"
    "aws-eusc"  = "amazonaws.eu"
    "aws-iso"   = "c2s.ic.gov"
    "aws-iso-b" = "sc2s.sgov.gov"
    "aws-iso-e" = "cloud.adc-e.uk"
    "aws-iso-f" = "csp.hci.ic.gov"
  }
  via_sqs = { StringEquals = { "kms:ViaService" = "sqs.${local.region}.${lookup(local.domains, local.partition, "amazonaws.com")}" } }

  receive_statements = [{
    Sid      = "ReceiveTransferEvents"
    Effect   = "Allow"
    Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    Resource = sort(values(var.queue_arns))
  }]

  dead_letter_statements = [{
    Sid      = "CountDeadLetters"
    Effect   = "Allow"
    Action   = "sqs:GetQueueAttributes"
    Resource = sort(values(var.dead_letter_queue_arns))
  }]

  decrypt_statements = !var.kms ? [] : [{
    Sid       = "DecryptTransferEvents"
    Effect    = "Allow"
    Action    = "kms:Decrypt"
    Resource  = [var.kms_key_arn]
    Condition = local.via_sqs
  }]

  # LookupEvents and ListConnectors do not support resources.
  cloudtrail_statements = !var.look_up_cloudtrail ? [] : [{
    Sid      = "LookUpStartedTransfers"
    Effect   = "Allow"
    Action   = "cloudtrail:LookupEvents"
    Resource = ["*"]
  }]

  connector_statements = !var.list_connectors ? [] : [
    {
      Sid      = "ListConnectors"
      Effect   = "Allow"
      Action   = "transfer:ListConnectors"
      Resource = ["*"]
    },
    {
      Sid      = "DescribeConnectors"
      Effect   = "Allow"
      Action   = "transfer:DescribeConnector"
      Resource = local.connector_arns
    },
  ]

  # A write action: it opens a session at the server of the partner.
  test_statements = !var.test_connections ? [] : [{
    Sid      = "TestConnections"
    Effect   = "Allow"
    Action   = ["transfer:TestConnection", "transfer:DescribeConnector"]
    Resource = local.connector_arns
  }]

  read_statements = [{
    Sid      = "ReadFileTransferResults"
    Effect   = "Allow"
    Action   = "transfer:ListFileTransferResults"
    Resource = local.connector_arns
  }]

  send_statements = [{
    Sid      = "TellStartedTransfers"
    Effect   = "Allow"
    Action   = "sqs:SendMessage"
    Resource = sort(values(var.queue_arns))
  }]

  encrypt_statements = !var.kms ? [] : [{
    Sid       = "EncryptStartedTransfers"
    Effect    = "Allow"
    Action    = ["kms:GenerateDataKey", "kms:Decrypt"]
    Resource  = [var.kms_key_arn]
    Condition = local.via_sqs
  }]
}
