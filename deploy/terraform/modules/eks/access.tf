# Who may do what in the cluster: people by AWS's own policy, the pipeline by rights that name kinds and verbs.

locals {
  readers = "shopkart:readers"
}

resource "aws_eks_access_entry" "administrator" {
  for_each = var.administrators

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.key
}

resource "aws_eks_access_policy_association" "administrator" {
  for_each = aws_eks_access_entry.administrator

  cluster_name  = aws_eks_cluster.this.name
  principal_arn = each.value.principal_arn
  policy_arn    = "${local.arn}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"

  access_scope {
    type = "cluster"
  }
}

resource "aws_eks_access_entry" "deployer" {
  for_each = var.deployers

  cluster_name      = aws_eks_cluster.this.name
  principal_arn     = each.value.role_arn
  kubernetes_groups = ["shopkart:${each.key}"]
}

resource "aws_eks_access_entry" "reader" {
  for_each = var.readers

  cluster_name      = aws_eks_cluster.this.name
  principal_arn     = each.value
  kubernetes_groups = [local.readers]
}

resource "helm_release" "rights" {
  for_each = var.deployers

  name             = "shopkart-rights-${each.key}"
  chart            = "${path.module}/charts/rights"
  namespace        = "shopkart-rights"
  create_namespace = true

  values = [yamlencode({
    group      = "shopkart:${each.key}"
    readers    = local.readers
    namespaces = each.value.namespaces
  })]

  depends_on = [aws_eks_access_policy_association.administrator]
}
