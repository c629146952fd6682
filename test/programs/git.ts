/** The real git, as a person uses it outside of the sandbox, where files may belong to the user of the sandbox. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const config = join(mkdtempSync(join(tmpdir(), 'oxbow-git-')), 'config')
writeFileSync(config, '[user]\nname = Ada\nemail = ada@example.org\n[safe]\ndirectory = *\n[tag]\ngpgsign = false\n')

/** @throws with what git says, unless it goes well */
export function git(cwd: string, ...args: readonly string[]): string {
  const env = { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: config, GIT_CONFIG_NOSYSTEM: '1' }
  return execFileSync('git', args, { cwd, env, encoding: 'utf8', stdio: 'pipe' }).trim()
}
