/** `oxbow cluster doctor`: what a cluster needs, from the ground up; each check says what to do where it fails. */
import {
  askClock,
  checkBlobs,
  checkStore,
  type ClusterLink,
  linkFault,
  openClusterLink,
  protocolVersion,
  readIdentity,
  storeAddress,
} from '../../cluster/index.ts'
import { errorMessage, isOxbowError } from '../../base/index.ts'
import { plainText } from '../../terminal/index.ts'
import { printLine, type Terminal } from '../terminal.ts'
import { machineConfig, ownTrust } from './cluster.ts'
import { certificateChecks, type Check } from './trust.ts'

/** Schedules, expiry of keys and certificates go by the clocks of nodes; leases do not. */
const maxClockMs = 2_000

export async function clusterDoctor({ json }: { readonly json?: boolean | undefined }, terminal: Terminal): Promise<number> {
  let isWell = true
  for await (const check of checks(terminal)) {
    isWell &&= check.ok
    const { ok, detail, hint } = check
    if (json === true) printLine(terminal, JSON.stringify(check))
    else printLine(terminal, plainText(`${ok ? 'ok  ' : 'FAIL'}  ${check.check}: ${detail}${ok ? '' : `\n      ${hint}`}`))
  }
  return isWell ? 0 : 1
}

async function* checks(terminal: Terminal): AsyncGenerator<Check> {
  const { cluster, store } = machineConfig(terminal)
  yield await checkStore(storeAddress({ config: store, environment: terminal.env as Readonly<Record<string, string>> }))
  const blobs = await checkBlobs(cluster, terminal.env)
  if (blobs !== null) yield blobs
  const identity = attempt(() => readIdentity(ownTrust(terminal)))
  for (const check of certificateChecks(identity, cluster, Date.now())) yield check
  const known = identity instanceof Error ? null : identity
  const link = await openClusterLink(cluster, known).catch((error: unknown) => error)
  if (link instanceof Error) {
    yield { check: 'nats', ok: false, detail: errorMessage(link), hint: isOxbowError(link) ? link.hint : '' }
    return
  }
  const opened = link as ClusterLink
  try {
    yield { check: 'nats', ok: true, detail: `made ${new Date(opened.term).toISOString()}`, hint: '' }
    const { nodes, leases } = await opened.all()
    yield {
      check: 'nodes',
      ok: nodes.length > 0,
      detail: `${nodes.length} up, ${leases.size} guests`,
      hint: 'Start one on each machine: oxbow cluster join',
    }
    const versions = new Set(nodes.map(({ version }) => version))
    yield {
      check: 'versions',
      ok: nodes.every(({ protocol }) => protocol === protocolVersion),
      detail: versions.size === 0 ? 'no nodes' : [...versions].join(', '),
      hint: 'Nodes with another protocol take no guests: drain and upgrade them one after another.',
    }
    for (const node of nodes) {
      const aheadMs = known === null ? null : await askClock(known, node, Date.now)
      const isFar = aheadMs !== null && Math.abs(aheadMs) > maxClockMs
      yield {
        check: node.name,
        ok: aheadMs !== null && !isFar,
        detail:
          aheadMs === null
            ? `does not answer at ${node.url} from here`
            : isFar
              ? `its clock is ${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? 'ahead' : 'behind'}`
              : `answers at ${node.url}`,
        hint: isFar
          ? 'Set the clocks of both machines: timedatectl set-ntp true'
          : 'Set cluster.peer.host to an address that the other nodes reach, and cluster.peer.url.',
      }
    }
  } catch (error) {
    const fault = linkFault(error)
    if (!isOxbowError(fault)) throw fault
    yield { check: 'nats', ok: false, detail: fault.message, hint: fault.hint }
  } finally {
    await opened.close()
  }
}

/** @returns what it gives, or the error that it throws */
function attempt<Value>(work: () => Value): Value | Error {
  try {
    return work()
  } catch (error) {
    return error as Error
  }
}
