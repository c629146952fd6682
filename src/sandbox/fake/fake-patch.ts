/** The part of unified diffs that tests of what is above the sandbox need: files created, changed and deleted, by name and hunk. */
import type { PatchedFile } from '../../types/index.ts'

/** What the diff would do; `text` null: the file is gone. */
export interface FakePatch {
  readonly facts: Omit<PatchedFile, 'hash'>
  readonly text: string | null
}

/** @returns what each file becomes, or which file does not fit. */
export function patchTexts(
  diff: string,
  base: string,
  textOf: (path: string) => string | undefined,
  was: (text: string | undefined) => string,
): FakePatch[] | { readonly misfit: string } {
  const done: FakePatch[] = []
  const at = (name: string): string => `${base}/${name.replace(/^[ab]\//, '')}`
  for (const [, old, now, body] of diff.matchAll(/^--- (\S+).*\n\+\+\+ (\S+).*\n((?:(?!--- ).*(?:\n|$))*)/gm)) {
    const path = at(now === '/dev/null' ? old! : now!)
    const before = done.find((each) => each.facts.path === path)?.text ?? textOf(path)
    if ((before === undefined) !== (old === '/dev/null')) return { misfit: path }
    const hunks = body!.split(/^@@.*@@.*\n/m).slice(1)
    let text = before ?? ''
    for (const hunk of hunks) {
      const side = (mark: string): string =>
        (hunk.match(/^[-+ ].*\n?/gm) ?? []).flatMap((line) => (' '.concat(mark).includes(line[0]!) ? [line.slice(1)] : [])).join('')
      const parts = side('-') === '' ? [text, ''] : text.split(side('-'))
      if (parts.length !== 2) return { misfit: path }
      text = parts.join(side('+'))
    }
    const count = (mark: RegExp): number => hunks.join('\n').match(mark)?.length ?? 0
    const change = old === '/dev/null' ? 'created' : now === '/dev/null' ? 'deleted' : 'changed'
    const facts = {
      path,
      from: '',
      change,
      added: count(/^\+/gm),
      removed: count(/^-/gm),
      hunks: hunks.length,
      shifted: 0,
      was: was(textOf(path)),
    } as const
    done.push({ facts, text: change === 'deleted' ? null : text })
  }
  return done
}
