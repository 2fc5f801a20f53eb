# The exporter runs on EKS in one account and reads connectors of two others, in each of which examples/cross-account has
# created the role `transfer-read`.

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

  assume_role_arns = [
    "arn:aws:iam::123456789012:role/transfer-read",
    "arn:aws:iam::345678901234:role/transfer-read",
  ]

  irsa = {
    oidc_provider_arn = "arn:aws:iam::210987654321:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
    namespace         = "monitoring"
  }
}

output "service_account_annotation" {
  value = { "eks.amazonaws.com/role-arn" = module.exporter_role.role_arn }
}
