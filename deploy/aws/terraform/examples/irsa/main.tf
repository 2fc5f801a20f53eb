# The exporter runs on EKS in the account of the connectors.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  region = "eu-central-1"
}

module "exporter_role" {
  source = "../.."

  account_id    = "123456789012"
  region        = "eu-central-1"
  connector_ids = ["c-0123456789abcdef0", "c-0123456789abcdef1"]

  irsa = {
    oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
    namespace         = "monitoring"
  }
}

output "service_account_annotation" {
  value = { "eks.amazonaws.com/role-arn" = module.exporter_role.role_arn }
}
