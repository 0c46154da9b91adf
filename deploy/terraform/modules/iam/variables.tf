variable "name" {
  description = "What roles are named after."
  type        = string
}

variable "pipeline" {
  description = "Where the pipeline runs: ARN of the cluster, and its namespace there."
  type = object({
    cluster_name = string
    cluster_arn  = string
    namespace    = string
  })
}

variable "prefix" {
  description = "What names of repositories in ECR begin with, as `registry.prefix` in the declaration."
  type        = string
  default     = "shopkart/"
}

variable "clusters" {
  description = "Names of the clusters of `staging` and `production`."
  type        = map(string)

  validation {
    condition     = toset(keys(var.clusters)) == toset(["staging", "production"])
    error_message = "Name the clusters of `staging` and `production`."
  }
}

variable "buckets" {
  description = "Names of the buckets `evidence`, `backups` and `compute-logs`."
  type        = map(string)
}

variable "evidence_days" {
  description = "How many days evidence is locked, as the bucket does."
  type        = number
}

variable "key_arns" {
  description = "ARNs of the KMS keys `storage` and `signing`; those for secrets are found by their aliases."
  type        = map(string)
}
