variable "name" {
  description = "What alarms are named after."
  type        = string
}

variable "cluster_name" {
  description = "Name of the cluster, once its nodes are there."
  type        = string
}

variable "values_file" {
  description = "What `shopkart monitoring` renders for Helm (`kubernetes/helm-values.yaml`)."
  type        = string

  validation {
    condition     = fileexists(var.values_file)
    error_message = "The file is not there; `shopkart monitoring` writes it."
  }
}

variable "chart_version" {
  description = "Version of the Helm chart kube-prometheus-stack."
  type        = string
  default     = "77.5.0"
}

variable "prometheus_gigabytes" {
  description = "Disk of each of Prometheus's two replicas, in GB."
  type        = number
}

variable "alarms_key_arn" {
  description = "ARN of the KMS key for alarms, which CloudWatch may use."
  type        = string
}

variable "recipients" {
  description = "Mail addresses of those who are told where the inner monitoring is blind; each confirms once."
  type        = set(string)

  validation {
    condition     = alltrue([for address in var.recipients : strcontains(address, "@")])
    error_message = "Give mail addresses."
  }
}

variable "database" {
  description = "Name of the RDS instance, and the free bytes below which there is an alarm."
  type = object({
    identifier         = string
    minimum_free_bytes = number
  })
}

variable "redis_id" {
  description = "Name of the replication group of Redis."
  type        = string
}

variable "load_balancer_arn_suffix" {
  description = "What CloudWatch calls the load balancer; null before it is there."
  type        = string
  default     = null
}
