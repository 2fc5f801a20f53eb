terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ShareState"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
        Resource = [aws_dynamodb_table.state.arn]
      },
      # For automatic shards: reports of other exporters that have been read, and entries of exporters that are gone.
      {
        Sid       = "ShareShards"
        Effect    = "Allow"
        Action    = "dynamodb:DeleteItem"
        Resource  = [aws_dynamodb_table.state.arn]
        Condition = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["*inbox-*", "*members"] } }
      },
    ]
  })
}

# As `aws-transfer-exporter storage init` creates it.
resource "aws_dynamodb_table" "state" {
  #checkov:skip=CKV_AWS_119:encrypted with a key of DynamoDB; a key of the account would need permissions of every reader
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "shard"
  range_key                   = "record"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "shard"
    type = "S"
  }

  attribute {
    name = "record"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_iam_role_policy" "exporter" {
  count = length(var.role_names)

  name   = "${var.name}-shared-storage"
  role   = var.role_names[count.index]
  policy = local.policy
}
