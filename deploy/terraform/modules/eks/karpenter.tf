# Karpenter adds nodes for pods that find none, and hears two minutes ahead which of them AWS takes away.

resource "aws_sqs_queue" "interruption" {
  #checkov:skip=CKV_AWS_27: Encrypted with the key of SQS; the messages name instances and nothing else.
  name                      = "${var.name}-karpenter"
  message_retention_seconds = 300
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_policy" "interruption" {
  queue_url = aws_sqs_queue.interruption.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventsOfThisAccount"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = aws_sqs_queue.interruption.arn
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
      {
        Sid       = "EncryptedOnly"
        Effect    = "Deny"
        Principal = "*"
        # Every action: whatever comes without TLS is refused.
        Action    = "sqs:*"
        Resource  = aws_sqs_queue.interruption.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_cloudwatch_event_rule" "interruption" {
  for_each = {
    rebalance = { source = "aws.ec2", type = "EC2 Instance Rebalance Recommendation" }
    spot      = { source = "aws.ec2", type = "EC2 Spot Instance Interruption Warning" }
    state     = { source = "aws.ec2", type = "EC2 Instance State-change Notification" }
    health    = { source = "aws.health", type = "AWS Health Event" }
  }

  name          = "${var.name}-karpenter-${each.key}"
  description   = "Tells Karpenter of nodes that AWS takes away."
  event_pattern = jsonencode({ source = [each.value.source], "detail-type" = [each.value.type] })
}

resource "aws_cloudwatch_event_target" "interruption" {
  for_each = aws_cloudwatch_event_rule.interruption

  rule = each.value.name
  arn  = aws_sqs_queue.interruption.arn
}

resource "aws_iam_role" "karpenter" {
  name               = "${var.name}-karpenter"
  assume_role_policy = local.pod_trust["karpenter"]
}

resource "aws_iam_role_policy" "karpenter" {
  name = "nodes"
  role = aws_iam_role.karpenter.id

  policy = templatefile("${path.module}/policies/karpenter.json", {
    partition = data.aws_partition.current.partition
    account   = data.aws_caller_identity.current.account_id
    region    = data.aws_region.current.region
    cluster   = var.name
  })
}

resource "aws_eks_pod_identity_association" "karpenter" {
  cluster_name    = aws_eks_cluster.this.name
  namespace       = "kube-system"
  service_account = "karpenter"
  role_arn        = aws_iam_role.karpenter.arn
}

# Its nodes carry the managed ones' role, for which EKS makes the access entry itself.
resource "helm_release" "karpenter" {
  name       = "karpenter"
  repository = "oci://public.ecr.aws/karpenter"
  chart      = "karpenter"
  version    = var.karpenter.version
  namespace  = "kube-system"

  values = [yamlencode({
    settings = {
      clusterName       = aws_eks_cluster.this.name
      interruptionQueue = aws_sqs_queue.interruption.name
    }
    # Never on a node that it made itself.
    affinity = {
      nodeAffinity = {
        requiredDuringSchedulingIgnoredDuringExecution = {
          nodeSelectorTerms = [{
            matchExpressions = [{ key = "karpenter.sh/nodepool", operator = "DoesNotExist" }]
          }]
        }
      }
    }
  })]

  depends_on = [aws_eks_node_group.system, aws_eks_addon.this, aws_eks_pod_identity_association.karpenter]
}

resource "helm_release" "nodes" {
  name      = "shopkart-nodes"
  chart     = "${path.module}/charts/nodes"
  namespace = "kube-system"

  values = [yamlencode({
    cluster          = aws_eks_cluster.this.name
    role             = aws_iam_role.node.name
    securityGroup    = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
    diskGigabytes    = var.nodes.disk_gigabytes
    instanceFamilies = var.karpenter.instance_families
    cores            = var.karpenter.cores
  })]

  depends_on = [helm_release.karpenter]
}
