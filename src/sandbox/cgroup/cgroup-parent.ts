/** Where control groups can be made, and what bounds they get. */

/** What control groups can bound. */
export type CgroupLimit = 'memory' | 'pids' | 'cpu'

/** In the order in which people are told of them. */
export const cgroupLimits: readonly CgroupLimit[] = ['memory', 'pids', 'cpu']

/** One controller's folder under which groups can be made. */
export interface CgroupParent {
  readonly folder: string
  readonly version: 1 | 2
  readonly limits: readonly CgroupLimit[]
  /** Absent: groups are made by hand. Else the folder is systemd's, which makes scopes in it when it is asked to. */
  readonly scopes?: ScopeMaker
}

/** How a manager of systemd is asked. Absolute paths. */
export interface ScopeMaker {
  readonly systemdRun: string
  readonly env: string
  /** Of the person whose manager it is; null for the system's. */
  readonly runtimeFolder: string | null
}

export interface CgroupBounds {
  readonly memoryBytes: number
  readonly processes: number
  /** Processors; null or absent for all there are. */
  readonly cpus?: number | null
}
