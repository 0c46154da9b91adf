variable "name" {
  description = "What the keys are named after."
  type        = string
}

variable "keys" {
  description = "Keys for encryption: what each is for, and whose policy it has (`owner`, or `logs` and `alarms` for those of AWS)."
  type = map(object({
    description = string
    policy      = optional(string, "owner")
  }))

  validation {
    condition     = alltrue([for key in values(var.keys) : contains(["alarms", "logs", "owner"], key.policy)])
    error_message = "The policy is `owner`, `logs` or `alarms`."
  }

  validation {
    condition     = alltrue([for name in keys(var.keys) : can(regex("^[a-z][a-z_]{1,30}$", name))])
    error_message = "Name keys with lower case letters and underscores."
  }
}

variable "signing_role_arn" {
  description = "ARN of the only role that signs attestations; null: no key for it is made."
  type        = string
  default     = null

  validation {
    condition     = var.signing_role_arn == null || can(regex(":iam::[0-9]{12}:role/", var.signing_role_arn))
    error_message = "Give the ARN of a role."
  }
}
