# Plans with providers that are made up: no account is asked. What only AWS knows is unknown here.

mock_provider "aws" {
  source = "../modules/environment/tests/aws"
}

mock_provider "aws" {
  alias  = "global"
  source = "../modules/environment/tests/aws"
}

mock_provider "github" {}
mock_provider "helm" {}
mock_provider "random" {}

variables {
  account          = "000000000000"
  alarm_recipients = ["operations@shopkart.example"]
  administrators   = ["arn:aws:iam::000000000000:role/operators"]
  edge             = { zone_id = "Z000000000000", domain = "shopkart.example", load_balancer_ready = false }

  github = {
    organisation        = "shopkart"
    repositories        = ["pipeline", "storefront"]
    pipeline_repository = "pipeline"
    release_approvers   = [1]
    reviews             = 1
  }
}

run "before_the_load_balancer_is_there" {
  command = plan

  assert {
    condition     = toset(keys(output.role_arns)) == toset(["backup", "build", "control", "deploy-production", "deploy-staging", "external-secrets", "rescan", "signer", "webserver"])
    error_message = "The pipeline's rights are split otherwise."
  }

  assert {
    condition     = output.gateway.namespace == "shopkart-gateway"
    error_message = "Routes find no gateway."
  }
}

run "with_the_load_balancer" {
  command = plan

  variables {
    edge = { zone_id = "Z000000000000", domain = "shopkart.example", load_balancer_ready = true }
  }
}

run "evidence_is_kept_for_a_year_at_least" {
  command         = plan
  expect_failures = [var.evidence]

  variables {
    evidence = { days = 30 }
  }
}
