# The policy documents as JSON. No provider is required, so `terraform plan` works here without AWS credentials.

terraform {
  required_version = ">= 1.5"
}

locals {
  # The start of the Regions of each partition, from the partition data of the AWS SDKs. All others are in `aws`.
  partitions = {
    "cn-"      = "aws-cn"
    "us-gov-"  = "aws-us-gov"
    "eusc-"    = "aws-eusc"
    "us-iso-"  = "aws-iso"
    "us-isob-" = "aws-iso-b"
    "eu-isoe-" = "aws-iso-e"
    "us-isof-" = "aws-iso-f"
  }
  region    = var.region == null ? "" : var.region
  of_region = one([for start, partition in local.partitions : partition if startswith(local.region, start)])
  partition = coalesce(var.partition, local.of_region, "aws")

  built_arns = [
    for id in var.connector_ids :
    "arn:${local.partition}:transfer:${coalesce(var.region, "?")}:${coalesce(var.account_id, "?")}:connector/${id}"
  ]
  connector_arns = sort(distinct(concat(var.connector_arns, local.built_arns)))

  read_statements = length(local.connector_arns) == 0 ? [] : [{
    Sid      = "ReadFileTransferResults"
    Effect   = "Allow"
    Action   = "transfer:ListFileTransferResults"
    Resource = local.connector_arns
  }]

  # A write action: it opens a session at the server of the partner.
  test_statements = !var.test_connections ? [] : [{
    Sid      = "TestConnections"
    Effect   = "Allow"
    Action   = ["transfer:TestConnection", "transfer:DescribeConnector"]
    Resource = local.connector_arns
  }]

  assume_statements = length(var.assume_role_arns) == 0 ? [] : [{
    Sid      = "AssumeTransferReadRoles"
    Effect   = "Allow"
    Action   = "sts:AssumeRole"
    Resource = sort(distinct(var.assume_role_arns))
  }]

  # Name of the provider in IAM conditions: its ARN after `oidc-provider/`.
  issuer = var.irsa == null ? "" : split(":oidc-provider/", var.irsa.oidc_provider_arn)[1]

  irsa_statements = var.irsa == null ? [] : [{
    Sid       = "ServiceAccount"
    Effect    = "Allow"
    Principal = { Federated = var.irsa.oidc_provider_arn }
    Action    = "sts:AssumeRoleWithWebIdentity"
    Condition = {
      StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = "system:serviceaccount:${var.irsa.namespace}:${var.irsa.service_account}"
      }
    }
  }]

  cross_account_statements = var.cross_account == null ? [] : [{
    Sid       = "CrossAccount"
    Effect    = "Allow"
    Principal = { AWS = sort(distinct(var.cross_account.principal_arns)) }
    Action    = "sts:AssumeRole"
    Condition = { StringEquals = { "sts:ExternalId" = var.cross_account.external_id } }
  }]
}
