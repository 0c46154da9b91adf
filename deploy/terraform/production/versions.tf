terraform {
  required_version = "~> 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    github = {
      source  = "integrations/github"
      version = "~> 6.6"
    }
    helm = {
      source  = "hashicorp/helm"
      version = "~> 3.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # Bucket, key's ARN and region come from `terraform init -backend-config=backend.hcl`, which is not committed.
  backend "s3" {
    key          = "production/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account]

  default_tags {
    tags = { "shopkart:environment" = "production", "shopkart:managed-by" = "deploy/terraform/production" }
  }
}

provider "aws" {
  alias               = "global"
  region              = "us-east-1"
  allowed_account_ids = [var.account]

  default_tags {
    tags = { "shopkart:environment" = "production", "shopkart:managed-by" = "deploy/terraform/production" }
  }
}

provider "random" {}

# From inside the network, or by a VPN: the API has no public address.
provider "helm" {
  kubernetes = {
    host                   = module.environment.cluster.endpoint
    cluster_ca_certificate = base64decode(module.environment.cluster.certificate_authority)

    exec = {
      api_version = "client.authentication.k8s.io/v1beta1"
      command     = "aws"
      args        = ["eks", "get-token", "--region", var.region, "--cluster-name", module.environment.cluster.name]
    }
  }
}

# Its token comes from GITHUB_TOKEN, or from an App's installation (GITHUB_APP_ID and its companions).
provider "github" {
  owner = var.github.organisation
}
