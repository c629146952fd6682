/** Which guest is measured: the bundle, made anew when the sources are newer, or the sources where it cannot be made. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { guestFlags } from '../../src/runner/begin-guest.ts'
import { repositoryPath } from './child-process.ts'

export interface GuestPrograms {
  /** Null when the bundle is missing and cannot be made. */
  readonly bundle: readonly string[] | null
  readonly unbuilt: readonly string[]
  /** What the other measures run: the bundle where there is one, under the profiler where that was asked for. */
  readonly usual: readonly string[]
  /** One sentence for the report. */
  readonly described: string
}

/** @param profileFolder where guests leave a CPU profile when they end; undefined for none. */
export function findGuestPrograms(profileFolder: string | undefined): GuestPrograms {
  const unbuilt = repositoryPath('src/guest/main.ts')
  const bundle = repositoryPath('dist/guest.js')
  const problem = existsSync(bundle) && newest(repositoryPath('src')) <= statSync(bundle).mtimeMs ? '' : build()
  const flags = [...guestFlags, ...(profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`])]
  const profiled = profileFolder === undefined ? '' : ', under the profiler: no figure of this run counts'
  if (problem === '' && existsSync(bundle)) {
    return {
      bundle: [...guestFlags, bundle],
      unbuilt: [...guestFlags, unbuilt],
      usual: [...flags, bundle],
      described: `the bundle, dist/guest.js${profiled}`,
    }
  }
  const described = `unbuilt, src/guest/main.ts, because there is no bundle: ${problem}${profiled}`
  return { bundle: null, unbuilt: [...guestFlags, unbuilt], usual: [...flags, unbuilt], described }
}

/** @returns why there is no bundle; empty when there is. */
function build(): string {
  try {
    execFileSync(process.execPath, [repositoryPath('node_modules/tsdown/dist/run.mjs')], { cwd: repositoryPath(''), stdio: 'pipe' })
    return ''
  } catch (error) {
    return `tsdown failed: ${
      String((error as { stderr?: Buffer }).stderr ?? error)
        .trim()
        .split('\n')[0] ?? ''
    }`
  }
}

function newest(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  return Math.max(
    ...names.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts')).map((name) => statSync(join(folder, name)).mtimeMs),
  )
}
