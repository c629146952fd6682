/** The public API of `cluster`, which nothing loads before `oxbow cluster` is typed. */
export { answers, joinCluster } from './join.ts'
export { protocolVersion } from './limits.ts'
export { type ClusterLink, initCluster, openClusterLink } from './nats-link.ts'
export type { NodeView } from './notes.ts'
