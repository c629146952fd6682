/** `oxbow cluster verify`: whether what a cluster promises holds, by the journals of its users and the leases of its nodes. */
import {
  type ClusterLink,
  linkFault,
  nodeName,
  openClusterLink,
  probeCluster,
  probeUser,
  readIdentity,
  sharedAddress,
  verifyCluster,
} from '../../cluster/index.ts'
import { findGuest, parseUser } from '../../runner/index.ts'
import { plainText } from '../../terminal/index.ts'
import { guestSetup } from '../guest-connection.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'
import { machineConfig, ownTrust } from './cluster.ts'

interface VerifyOptions {
  readonly json?: boolean | undefined
  readonly user?: string | undefined
  readonly load?: number | undefined
}

/** @returns 0 where all holds, 1 where something does not */
export async function clusterVerify({ json, user, load }: VerifyOptions, terminal: Terminal): Promise<number> {
  const asked = user === undefined ? undefined : parseUser(user)
  const { cluster, store } = machineConfig(terminal)
  const environment = terminal.env as Readonly<Record<string, string>>
  sharedAddress({ config: store, environment })
  const identity = readIdentity(ownTrust(terminal))
  const link = await openClusterLink(cluster, identity)
  try {
    const probe = load === undefined ? null : await sendLoad(load, link, terminal)
    const only = probe?.user ?? asked
    const told = probe === null ? {} : { told: new Map([[probe.user, { acknowledged: probe.acknowledged }]]) }
    let found = probe?.findings.length ?? 0
    for (const { law, detail } of probe?.findings ?? []) show({ user: probe!.user, law, detail }, json, terminal)
    let [users, records] = [0, 0]
    for await (const report of verifyCluster({ link, identity, store, environment, user: only, ...told })) {
      if (report.user !== '') users += 1
      records += report.records
      found += report.findings.length
      if (json === true) printLine(terminal, JSON.stringify(report))
      else for (const finding of report.findings) show(finding, json, terminal)
    }
    if (json !== true) {
      const sent = probe === null ? '' : `, ${probe.acknowledged.length} messages sent to ${probe.user}`
      printLine(terminal, `${found === 0 ? 'ok  ' : 'FAIL'}  ${users} users, ${records} records${sent}: ${found} findings`)
    }
    return found === 0 ? 0 : 1
  } catch (error) {
    throw linkFault(error)
  } finally {
    await link.close()
  }
}

function show(
  finding: { readonly user: string; readonly law: string; readonly detail: string },
  json: boolean | undefined,
  terminal: Terminal,
): void {
  const { user, law, detail } = finding
  printLine(terminal, json === true ? JSON.stringify(finding) : plainText(`FAIL  ${user === '' ? '' : `${user}: `}${law}: ${detail}`))
}

function sendLoad(messages: number, link: ClusterLink, terminal: Terminal): ReturnType<typeof probeCluster> {
  return probeCluster({
    link,
    node: nodeName(machineConfig(terminal).cluster),
    messages,
    guestHere: () => findGuest(guestSetup({ user: probeUser, isSafe: true }, terminal).workspace),
    say: (text) => printNotice(terminal, plainText(text)),
  })
}
