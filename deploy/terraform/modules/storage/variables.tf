variable "name" {
  description = "What buckets are named after; the account's number is put behind it, because names are unique in all of AWS."
  type        = string
}

variable "key_arn" {
  description = "ARN of the KMS key that objects are encrypted with."
  type        = string
}

variable "evidence_days" {
  description = "For how many days nobody, the account's root user included, can change or remove evidence."
  type        = number

  validation {
    condition     = var.evidence_days >= 365
    error_message = "Auditors ask for a year at least."
  }
}

variable "backup_days" {
  description = "How many days a backup that the pipeline removed, or that was overwritten, stays recoverable."
  type        = number
  default     = 30
}

variable "log_days" {
  description = "How long outputs of stages and access logs are kept, in days."
  type        = number
  default     = 400
}
