# Branches as the pipeline wants them (`shopkart protection`), and one role for GitHub's workflows: whoever was let into
# the environment `release` pushes the pipeline's own image, and nothing else.

resource "github_branch_protection" "main" {
  #checkov:skip=CKV_GIT_5: How many reviews are needed is declared (`branch_protection.reviews`), one at least.
  for_each = var.repositories

  repository_id           = each.key
  pattern                 = "main"
  enforce_admins          = true
  allows_deletions        = false
  allows_force_pushes     = false
  require_signed_commits  = true
  required_linear_history = true

  required_status_checks {
    strict   = true
    contexts = ["shopkart"]
  }

  required_pull_request_reviews {
    required_approving_review_count = max(var.reviews, 1)
    dismiss_stale_reviews           = true
    require_code_owner_reviews      = true
    require_last_push_approval      = true
  }
}

resource "github_repository_environment" "release" {
  repository          = var.pipeline_repository
  environment         = "release"
  can_admins_bypass   = false
  prevent_self_review = true

  reviewers {
    teams = var.release_approvers
  }

  deployment_branch_policy {
    protected_branches     = true
    custom_branch_policies = false
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "publish" {
  name                 = "${var.name}-github-publish"
  description          = "Pushes the pipeline's own image from GitHub."
  max_session_duration = 3600

  assume_role_policy = templatefile("${path.module}/policies/trust.json", {
    provider_arn = aws_iam_openid_connect_provider.github.arn
    repository   = "${var.organisation}/${var.pipeline_repository}"
  })
}

resource "aws_iam_role_policy" "publish" {
  name = "publish"
  role = aws_iam_role.publish.id

  policy = templatefile("${path.module}/policies/publish.json", {
    repository_arn = var.image_repository_arn
  })
}
