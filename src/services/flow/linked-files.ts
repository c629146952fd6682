/**
 * Hard links. A file that has several names has the labels of all of them, by entries and by rules: who links a file of a folder that a rule
 * calls private to another name, before or after something private is in it, changes nothing about its labels. The names get entries, so
 * that versions of each, and what is left when one is removed, keep them.
 */
import { isKept, joined, type Provenance, type AskOptions, realPlace } from '../../kernel/index.ts'
import { joinLabels } from '../../protocol/index.ts'
import { type FileLabels, type Of } from './file-labels.ts'
import { type Survey, surveyOf } from './workspace-survey.ts'

interface Linking {
  readonly files: FileLabels
  readonly byRule: (path: string, below: boolean) => Provenance
  readonly of: Of
  readonly ask: Parameters<typeof surveyOf>[0]
  readonly options: AskOptions
  note(found: Provenance): void
}

/** Labels all names of each file that has labels by one of them. */
export async function labelLinked({ files, byRule, of }: Pick<Linking, 'files' | 'byRule' | 'of'>, survey: Survey): Promise<void> {
  for (const names of survey.linked()) {
    const each = names.map((path) => ({ path, own: joined(files.at(path), byRule(path, false)) }))
    const all = each.map(({ own }) => own).reduce(joined)
    const lacking = each.filter(({ own: { labels } }) => joinLabels(labels, all.labels) !== labels)
    if (isKept(all.labels) && lacking.length > 0)
      await files.mark(
        of,
        lacking.map(({ path }) => path),
        all,
      )
  }
}

/** As `labelLinked`, if one of these paths names a file with other names. @returns the paths without links */
export async function realPathsOf(linking: Linking, paths: readonly string[]): Promise<readonly string[]> {
  const { files, byRule, ask, options, note } = linking
  const places = await Promise.all(paths.map((path) => realPlace(ask, path, options)))
  if (places.some(({ names }) => names > 1)) {
    const survey = await surveyOf(ask, options)
    // Where nobody knows what is there, its other name may be anywhere.
    if (survey.stamps === null) note(joined(files.everywhere(), byRule('/', true)))
    await labelLinked(linking, survey)
  }
  return places.map(({ path }) => path)
}
