/** Finds a user's running guest, which writes its address and token to `ipc/`: only the user can read that. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isAlive } from '../base/index.ts'
import type { Workspace } from './home.ts'
import { portProbeTimeoutMs } from './limits.ts'

export interface FoundGuest {
  readonly url: string
  readonly token: string
  readonly pid: number
}

/** @returns the live guest, or null when the files are missing or stale. Does not throw for files damaged by a crash. */
export async function findGuest(workspace: Workspace): Promise<FoundGuest | null> {
  const found = readGatewayFiles(workspace)
  if (found === null || !isAlive(found.pid)) return null
  return (await answers(found.url)) ? found : null
}

/** @returns the address from the files, whether or not the guest is alive. */
export function readGatewayFiles(workspace: Workspace): FoundGuest | null {
  try {
    const written = JSON.parse(readFileSync(join(workspace.ipc, 'gateway.json'), 'utf8')) as Partial<FoundGuest>
    const token = readFileSync(join(workspace.ipc, 'token'), 'utf8').trim()
    const { url, pid } = written
    return typeof url === 'string' && URL.canParse(url) && Number.isSafeInteger(pid) ? { url, token, pid: pid as number } : null
  } catch {
    return null
  }
}

/** The pid by itself proves nothing: after a crash it may belong to any other program. */
function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    // Loaded only to ask: most verbs ask no guest, and find this file loaded.
    const { connect } = process.getBuiltinModule('node:net')
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) })
    const settle = (alive: boolean): void => {
      socket.destroy()
      resolve(alive)
    }
    // Handles pending socket events first: after this process was suspended, its timers fire before them.
    socket.setTimeout(portProbeTimeoutMs, () => setImmediate(settle, false))
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}
