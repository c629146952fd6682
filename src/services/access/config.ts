/** `[exec]`: which programs may be started. */
import { configSection, type SectionKinds, type SettingsOf, takesEffect, tighter } from '../../config/index.ts'

/** @returns whether the text is a pattern of `[exec]`: the name of a program, then patterns of its arguments */
export function isProgramPattern(text: string): boolean {
  return /^[A-Za-z0-9_.+*][A-Za-z0-9_.+*-]{0,99}(?: +[^\s\0]+)*$/.test(text)
}

const programPatterns = (by: SectionKinds) =>
  by
    .array(by.string().max(500).refine(isProgramPattern, 'must be the name of a program, without a path, and patterns of its arguments'))
    .max(1_000)
    .default([])

export const execConfig = configSection('exec', (by) =>
  by
    .strictObject({
      shell: by
        .boolean()
        .default(true)
        .describe('Whether calls may start a shell. `false`: only programs that `exec.allow` covers can be run.')
        .meta(tighter([true, false])),
      allow: programPatterns(by)
        .describe(
          'Programs that `exec.run` may start: `"git"` with any arguments, `"git status"` with exactly these, `"git log **"` with these and any after them; `*` is any text inside of a word. Empty: none. `oxbow exec allow` adds to them.',
        )
        .meta(tighter('fewer')),
      deny: programPatterns(by)
        .describe(
          'Programs that may not be started, in the same notation; arguments count wherever they stand. Takes precedence over `exec.allow`. The words of shell commands are compared, too, which stops mistakes but no intent.',
        )
        .meta(tighter('more')),
      env: by
        .array(by.string().regex(/^[A-Za-z_*][A-Za-z0-9_*]*$/))
        .default(['CI', 'COLUMNS', 'LANG', 'LC_*', 'NO_COLOR', 'TZ'])
        .describe(
          'Variables that a call of `exec.run` may set. Many others change what a program runs (`PATH`, `GIT_SSH_COMMAND`, `NODE_OPTIONS`).',
        )
        .meta(tighter('fewer')),
    })
    .meta(takesEffect('live')),
)
export type ExecConfig = SettingsOf<typeof execConfig>

/**
 * Documents by the id of a session, `{ right }`: whoever has that right may follow the session, though they may not read sessions. Who owns the
 * session writes it.
 */
export const followCategory = 'system/followed_sessions'
