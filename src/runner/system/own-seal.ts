/** The seal of a journal and what is signed with it, wherever the key is: in the home, or in system mode with root. */
import { OxbowError, systemClock, type UserId } from '../../base/index.ts'
import type { ChainHead, HeadSeal, RestoreFact } from '../../protocol/index.ts'
import type { ControlInput, ControlOperation, ControlOutput } from '../../protocol/index.ts'
import { askDaemon } from '../daemon/control-client.ts'
import { socketOf } from '../daemon/daemon-place.ts'
import { type ExportEnd, readSeal, signExport, signRestore } from '../heads/head-signing.ts'
import type { Home } from '../home.ts'

/** What `audit verify` checks a journal against. @throws OxbowError where the daemon that has it does not run */
export async function sealOf(home: Home, user: UserId): Promise<HeadSeal> {
  if (home.system === null) return readSeal(home, user)
  const lines: string[] = []
  for (;;) {
    const page = await ask(home, 'seal', { from: lines.length })
    lines.push(...page.lines)
    if (!page.more) return { lines, count: page.count, publicKey: page.public_key }
  }
}

/** As `signExport`. */
export async function signExportOf(
  home: Home,
  user: UserId,
  seal: HeadSeal,
  end: Omit<ExportEnd, 'signature'>,
): Promise<ReturnType<typeof signExport>> {
  if (home.system === null) return signExport(home, user, seal, end)
  const { signature } = await ask(home, 'sign_export', { ...end, lines: seal.lines.length })
  return { end: { ...end, signature }, public_key: seal.publicKey, heads: seal.lines }
}

/** As `signRestore`. */
export async function signRestoreOf(
  home: Home,
  user: UserId,
  restore: Omit<RestoreFact, 'fault'> & { readonly to: ChainHead },
): Promise<void> {
  if (home.system === null) return signRestore(home, user, systemClock, restore)
  await ask(home, 'sign_restore', { restore })
}

async function ask<Op extends ControlOperation>(home: Home, op: Op, input: ControlInput<Op>): Promise<ControlOutput<Op>> {
  const answer = await askDaemon(socketOf(home), op, input)
  if (answer !== null) return answer
  throw new OxbowError('guest_unreachable', 'the daemon of this machine does not run, and it alone has the signed heads', {
    hint: 'Ask an administrator to start it: systemctl start oxbow',
  })
}
