/** `oxbow cluster join`: this machine as a node, in the foreground. */
import { joinCluster } from '../../cluster/index.ts'
import { plainText } from '../../terminal/index.ts'
import { guestSetup } from '../guest-connection.ts'
import { onInterrupt } from '../input.ts'
import { printLine, printNotice, type Terminal } from '../terminal.ts'
import { machineConfig } from './cluster.ts'

export async function clusterJoin({ json }: { readonly json?: boolean | undefined }, terminal: Terminal): Promise<number> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve())
    onInterrupt(() => resolve())
  })
  const node = await joinCluster({
    config: machineConfig(terminal).cluster,
    version: terminal.version,
    setup: (user) => guestSetup({ user, isSafe: true }, terminal),
    say: (text) => printNotice(terminal, `${new Date().toISOString()} ${plainText(text)}`),
  })
  if (json === true) printLine(terminal, JSON.stringify({ node: node.name, door: node.url, pid: process.pid }))
  else printLine(terminal, `node  ${node.name}\ndoor  ${node.url}\npid   ${process.pid}\nCtrl+C stops it; its guests move to other nodes.`)
  await stopped
  await node.close()
  return 0
}
