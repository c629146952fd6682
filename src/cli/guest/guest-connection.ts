/** From the options of a verb to a connected guest, and back to nothing left behind. */
import { connect } from '../../client/index.ts'
import type { ConnectionState } from '../../client/index.ts'
import { configFiles, ensureGuest, hasWorkspace, loadConfig, openHome, openWorkspace, parseUser } from '../../runner/index.ts'
import type { GuestSetup, Home, RunningGuest, Workspace } from '../../runner/index.ts'
import type { GatewayPort } from './gateway-port.ts'
import { defaultUser } from '../verb-parts.ts'
import { describeStale } from './stale-guest.ts'
import { plainText } from '../view/terminal-text.ts'
import { printNotice } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'

export interface GuestChoice {
  readonly user: string
  readonly insecure?: boolean | undefined
  readonly model?: string | undefined
  readonly baseUrl?: string | undefined
}

/** @throws OxbowError `bad_input` for the user name, `bad_config` for what cannot be made */
export function userWorkspace(home: Home, name: string, terminal: Pick<Terminal, 'errors'>): Workspace {
  const user = parseUser(name)
  const isNew = user !== defaultUser && !hasWorkspace(home, user)
  const workspace = openWorkspace(home, user)
  // A mistyped name is a user like any other: at least it is seen.
  if (isNew) printNotice(terminal, `notice: ${user} is new here and has got a workspace of its own: ${workspace.root}`)
  return workspace
}

/** @throws OxbowError `bad_input` for the user name, `bad_config` for the files. */
export function guestSetup(choice: GuestChoice, terminal: Terminal): GuestSetup {
  const home = openHome(terminal.env)
  const workspace = userWorkspace(home, choice.user, terminal)
  return {
    home,
    workspace,
    config: loadConfig(home, workspace, choice),
    insecure: choice.insecure ?? false,
    version: terminal.version,
    env: terminal.env,
    warn: (text) => printNotice(terminal, `warning: ${plainText(text)}`),
    ...(terminal.program !== undefined && { program: terminal.program }),
  }
}

export interface Connection {
  readonly guest: RunningGuest
  readonly gateway: GatewayPort
  readonly setup: GuestSetup
  /** Tells from now on when the connection is lost, back, or gone for good. One listener. */
  onConnection(listener: (state: ConnectionState) => void): void
}

/** Runs `use` with a connected guest. A guest that was started for it is stopped after it, also when `use` throws. */
export async function withGuest<Result>(
  choice: GuestChoice,
  terminal: Terminal,
  use: (connection: Connection) => Promise<Result>,
): Promise<Result> {
  const setup = guestSetup(choice, terminal)
  const guest = await ensureGuest(setup)
  try {
    let told: (state: ConnectionState) => void = () => {}
    const client = `oxbow-cli ${terminal.version}`
    const gateway = await connect({ url: guest.url, token: guest.token, client, onState: (state) => told(state) })
    try {
      if (!guest.owned) await tellOfStale({ guest, gateway, setup }, choice, terminal)
      return await use({ guest, gateway, setup, onConnection: (listener) => void (told = listener) })
    } finally {
      await gateway.close()
    }
  } finally {
    await guest.stop()
  }
}

/** What makes a guest cannot change one that runs. */
async function tellOfStale(
  { guest, gateway, setup: { home, workspace } }: Pick<Connection, 'guest' | 'gateway' | 'setup'>,
  choice: GuestChoice,
  terminal: Terminal,
): Promise<void> {
  const files = configFiles(home, workspace).map(({ path }) => path)
  const stale = describeStale({ choice, ipc: workspace.ipc, files, status: await gateway.status(), env: terminal.env })
  if (stale === '') return
  printNotice(
    terminal,
    `notice: a guest already runs (pid ${guest.pid}); ${plainText(stale)} has no effect before it is ended and started again`,
  )
}
