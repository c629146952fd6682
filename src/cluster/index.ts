/** The public API of `cluster`, which nothing loads before `oxbow cluster` is typed. */
export { answers, joinCluster, type JoinedNode, nodeName } from './join.ts'
export { leaseMs, protocolVersion } from './limits.ts'
export { type ClusterLink, initCluster, openClusterLink } from './nats-link.ts'
export type { LeaseNote, PlaceNote } from './cluster-view.ts'
export type { NodeView } from './placement.ts'
