variable "name" {
  description = "What the role is named after."
  type        = string
}

variable "organisation" {
  description = "Owner of the repositories on GitHub."
  type        = string
}

variable "repositories" {
  description = "Repositories whose branch `main` is protected as the declaration says (`branch_protection`)."
  type        = set(string)

  validation {
    condition     = length(var.repositories) > 0
    error_message = "Name at least one repository."
  }
}

variable "reviews" {
  description = "How many approving reviews a pull request needs, as `branch_protection.reviews`."
  type        = number
  default     = 1

  validation {
    condition     = var.reviews >= 1
    error_message = "Four eyes: at least one review."
  }
}

variable "pipeline_repository" {
  description = "The repository of the pipeline itself, whose workflow pushes the pipeline's own image; one of `repositories`."
  type        = string
}

variable "release_approvers" {
  description = "Numbers of the teams that let a workflow into the environment `release`."
  type        = set(number)

  validation {
    condition     = length(var.release_approvers) > 0
    error_message = "Name at least one team: without any, whoever may push could push an image."
  }
}

variable "image_repository_arn" {
  description = "ARN of the ECR repository of the pipeline's own image."
  type        = string
}
