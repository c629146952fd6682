/** The sandbox in words. */
import type { SandboxStatus } from '../../types/index.ts'

/** @returns one line of what is on, then one for each thing that is off or not in force, with what to do. */
export function describeSandbox({ tier, files, shell, problem, degraded }: SandboxStatus): readonly string[] {
  const on = (what: string, is: boolean): string => `${what} ${is ? 'on' : 'off'}`
  const held = tier === 'process' ? 'on (process tier)' : tier === 'insecure' ? 'NONE (--insecure)' : 'missing'
  const lines = [`${held}, ${on('files', files)}, ${on('shell', shell)}`]
  if (problem !== null) lines.push(`${problem.message} ${problem.hint}`.trim())
  return [...lines, ...degraded.map((limit) => `not in force: ${limit}`)]
}
