/**
 * The system interface of a module (WASI preview 1): the shim, with the calls that it gets wrong or answers with an exception
 * put right. Clocks tell the true time at the resolution that they name, or say that they do not exist; a sleep sleeps instead
 * of spinning; there are no sockets.
 */
import { ConsoleStdout, WASI, wasi } from '@bjorn3/browser_wasi_shim'
import { maxIoPieces, maxPollSubscriptions, maxToolDescriptors, maxToolPathChars, toolClockStepNs } from '../../limits.ts'
import { movePath, readOnlyFile, type MountedFolder } from './tool-tree.ts'
import type { OutputWriter } from '../tool-output.ts'

interface WasiParts {
  readonly stdin: Uint8Array
  readonly stdout: OutputWriter
  readonly stderr: OutputWriter
  readonly mounts: readonly MountedFolder[]
}

/** Imports of the module and the object that starts it. Its arguments are its name alone, its environment is empty. */
export function createWasi({ stdin, stdout, stderr, mounts }: WasiParts): WASI {
  const descriptors = [readOnlyFile(stdin), new ConsoleStdout(stdout), new ConsoleStdout(stderr), ...mounts.map(({ open }) => open)]
  const shim = new WASI(['tool'], [], descriptors, { debug: false })
  const view = (): DataView => new DataView(shim.inst.exports.memory.buffer)
  const noSocket = (): number => wasi.ERRNO_NOTSUP
  Object.assign(shim.wasiImport, {
    clock_res_get(id: number, at: number): number {
      if (timeOf(id) === null) return wasi.ERRNO_INVAL
      view().setBigUint64(at, toolClockStepNs, true)
      return wasi.ERRNO_SUCCESS
    },
    clock_time_get(id: number, _precision: bigint, at: number): number {
      const time = timeOf(id)
      if (time === null) return wasi.ERRNO_INVAL
      view().setBigUint64(at, time, true)
      return wasi.ERRNO_SUCCESS
    },
    path_rename(fd: number, at: number, length: number, newFd: number, newAt: number, newLength: number): number {
      const [from, to] = [shim.fds[fd], shim.fds[newFd]]
      if (from === undefined || to === undefined) return wasi.ERRNO_BADF
      return movePath(from, textAt(view(), at, length), to, textAt(view(), newAt, newLength))
    },
    poll_oneoff: (subscriptions: number, events: number, count: number, ready: number): number =>
      poll(view(), subscriptions, events, count >>> 0, ready),
    sched_yield: (): number => wasi.ERRNO_SUCCESS,
    sock_accept: noSocket,
    sock_recv: noSocket,
    sock_send: noSocket,
    sock_shutdown: noSocket,
  })
  boundDescriptors(shim, view)
  for (const [name, places] of Object.entries(measuredArguments)) guard(shim, name, places)
  return shim
}

/** The shim gives out a new number for each opening, without end. Here the lowest that is free, as everywhere else. */
function boundDescriptors({ fds, wasiImport }: WASI, view: () => DataView): void {
  const open = wasiImport['path_open']
  const openedAt = 8
  wasiImport['path_open'] = (...values: readonly number[]) => {
    const gap = fds.findIndex((each) => each === undefined)
    if (gap < 0 && fds.length >= maxToolDescriptors) return wasi.ERRNO_MFILE
    const before = fds.length
    const problem: unknown = open?.(...values)
    if (gap < 0 || fds.length === before) return problem
    fds[gap] = fds.pop()!
    view().setUint32(values[openedAt] ?? 0, gap, true)
    return problem
  }
}

/** Where system calls have the length of a path, or the number of pieces of a read or write: the shim makes objects of them. */
const measuredArguments: Readonly<Record<string, readonly { readonly at: number; readonly most: number; readonly errno: number }[]>> = {
  ...Object.fromEntries(
    Object.entries({
      path_create_directory: [2],
      path_filestat_get: [3],
      path_filestat_set_times: [3],
      path_link: [3, 6],
      path_open: [3],
      path_readlink: [2],
      path_remove_directory: [2],
      path_rename: [2, 5],
      path_symlink: [1, 4],
      path_unlink_file: [2],
    }).map(([name, places]) => [name, places.map((at) => ({ at, most: maxToolPathChars, errno: wasi.ERRNO_NAMETOOLONG }))]),
  ),
  ...Object.fromEntries(
    ['fd_read', 'fd_pread', 'fd_write', 'fd_pwrite'].map((name) => [name, [{ at: 2, most: maxIoPieces, errno: wasi.ERRNO_INVAL }]]),
  ),
}

function guard({ wasiImport }: WASI, name: string, places: (typeof measuredArguments)[string]): void {
  const call = wasiImport[name]
  wasiImport[name] = (...values: readonly unknown[]) => {
    const over = places.find(({ at, most }) => Number(values[at]) >>> 0 > most)
    return over === undefined ? call?.(...values) : over.errno
  }
}

/** @throws RangeError for a place outside the memory, which ends the run as a trap does. */
function textAt({ buffer }: DataView, at: number, bytes: number): string {
  return new TextDecoder().decode(new Uint8Array(buffer as ArrayBuffer, at >>> 0, bytes >>> 0))
}

/** Nanoseconds, in whole steps; null for the clocks of CPU time, which nobody measures here. */
function timeOf(id: number): bigint | null {
  if (id === wasi.CLOCKID_REALTIME) return inSteps(BigInt(Date.now()) * 1_000_000n)
  if (id === wasi.CLOCKID_MONOTONIC) return inSteps(BigInt(Math.floor(performance.now() * 1e6)))
  return null
}

const inSteps = (time: bigint): bigint => time - (time % toolClockStepNs)

const subscriptionBytes = 48
const eventBytes = 32
const absoluteTime = 1

/** Files and outputs are always ready; where only clocks are asked for, the earliest is waited for. */
function poll(view: DataView, subscriptions: number, events: number, count: number, ready: number): number {
  if (count === 0 || count > maxPollSubscriptions) return wasi.ERRNO_INVAL
  const asked = Array.from({ length: count }, (_, i) => readSubscription(view, subscriptions + i * subscriptionBytes))
  const isReady = asked.some(({ waitNs }) => waitNs === null)
  const shortest = asked.reduce((least, { waitNs }) => (waitNs !== null && waitNs < least ? waitNs : least), longestWaitNs)
  if (!isReady) sleep(shortest)
  const due = asked.filter(({ waitNs }) => (isReady ? waitNs === null || waitNs <= 0n : waitNs !== null && waitNs <= shortest))
  for (const [i, { userdata, type, error }] of due.entries()) {
    const at = events + i * eventBytes
    for (let offset = 0; offset < eventBytes; offset += 8) view.setBigUint64(at + offset, 0n, true)
    view.setBigUint64(at, userdata, true)
    view.setUint16(at + 8, error, true)
    view.setUint8(at + 10, type)
  }
  view.setUint32(ready, due.length, true)
  return wasi.ERRNO_SUCCESS
}

interface Asked {
  readonly userdata: bigint
  readonly type: number
  readonly error: number
  /** How long until it is due; null when it is. */
  readonly waitNs: bigint | null
}

function readSubscription(view: DataView, at: number): Asked {
  const userdata = view.getBigUint64(at, true)
  const type = view.getUint8(at + 8)
  if (type !== wasi.EVENTTYPE_CLOCK) return { userdata, type, error: wasi.ERRNO_SUCCESS, waitNs: null }
  const now = timeOf(view.getUint32(at + 16, true))
  if (now === null) return { userdata, type, error: wasi.ERRNO_INVAL, waitNs: null }
  const timeout = view.getBigUint64(at + 24, true)
  const isAbsolute = (view.getUint16(at + 40, true) & absoluteTime) !== 0
  return { userdata, type, error: wasi.ERRNO_SUCCESS, waitNs: isAbsolute ? timeout - now : timeout }
}

/** About 100 days: longer than any time limit, and within what the wait below takes. */
const longestWaitNs = 1n << 53n

/** Blocks this thread, which the keeper may end meanwhile. */
function sleep(ns: bigint): void {
  if (ns > 0n) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(ns) / 1e6)
}
