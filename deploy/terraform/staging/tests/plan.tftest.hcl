# Plans with providers that are made up: no account is asked. What only AWS knows is unknown here.

mock_provider "aws" {
  source = "../modules/environment/tests/aws"
}

mock_provider "aws" {
  alias  = "global"
  source = "../modules/environment/tests/aws"
}

mock_provider "helm" {}
mock_provider "random" {}

variables {
  account          = "000000000000"
  alarm_recipients = ["operations@shopkart.example"]
  administrators   = ["arn:aws:iam::000000000000:role/operators"]
  edge             = { zone_id = "Z000000000000", domain = "staging.shopkart.example", load_balancer_ready = false }

  pipeline = {
    network         = { vpc_id = "vpc-00000000", cidr = "10.30.0.0/16", route_table_ids = { a = "rtb-00000000" } }
    deploy_role_arn = "arn:aws:iam::000000000000:role/shopkart-deploy-staging"
    read_role_arn   = "arn:aws:iam::000000000000:role/shopkart-control"
  }
}

run "before_the_load_balancer_is_there" {
  command = plan

  assert {
    condition     = output.gateway.name == "shopkart"
    error_message = "Routes find no gateway."
  }
}

run "with_the_load_balancer" {
  command = plan

  variables {
    edge = { zone_id = "Z000000000000", domain = "staging.shopkart.example", load_balancer_ready = true }
  }
}

run "an_account_has_twelve_digits" {
  command         = plan
  expect_failures = [var.account]

  variables {
    account = "1234"
  }
}
