variable "prefix" {
  description = "What names of secrets begin with, such as shopkart/production: roles are allowed what is below it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+/[a-z0-9-]+$", var.prefix))
    error_message = "Give two parts, such as shopkart/production."
  }
}

variable "secrets" {
  description = "Secrets by name, with what each is for. Values are put by people or by what makes them, never by Terraform."
  type        = map(string)
}

variable "key_arn" {
  description = "ARN of the KMS key that values are encrypted with."
  type        = string
}
