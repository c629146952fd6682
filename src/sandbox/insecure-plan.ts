/** `--insecure`: file tools in a process of their own, which is told which folders it has. No sandbox, so no commands. */
import type { SandboxStatus, SandboxTier } from '../types/index.ts'
import { findHandsEntry } from './bubblewrap/hands-program.ts'
import { startHands } from './hands/hands-process.ts'
import type { TierOptions, TierPlan } from './tier-plan.ts'

export function planInsecure(
  { folders }: TierOptions,
  asked: SandboxTier,
): { status: SandboxStatus; plan: Pick<TierPlan, 'start' | 'close'> } {
  // A process of its own also here: a hostile pattern or a huge file cannot hold up the kernel.
  const args = ['--disable-warning=ExperimentalWarning', findHandsEntry(), '--mapped', folders.shared, folders.tmp]
  return {
    status: { ...insecureStatus, asked },
    plan: {
      start: () => startHands({ file: process.execPath, args, cwd: folders.shared, data: [] }, () => Promise.resolve()),
      close: () => Promise.resolve(),
    },
  }
}

const insecureStatus: Omit<SandboxStatus, 'asked'> = {
  tier: 'insecure',
  provider: '',
  files: true,
  shell: false,
  profiles: ['work'],
  problem: {
    code: 'sandbox_missing',
    message: 'Started with --insecure: file tools run without a sandbox, commands are off.',
    hint: 'Start without --insecure; oxbow doctor says what is missing for that.',
  },
  limits: [],
  degraded: ['everything: no sandbox; paths are checked, nothing else is limited'],
}
