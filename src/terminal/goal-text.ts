/** Checks of goals as people read them, in the terminal and in the browser: who approves a seed sees the whole of each. */
import { assertNever } from '../base/index.ts'

interface InFile {
  readonly path: string
}

type ShownCheck =
  | { readonly kind: 'command'; readonly command: string; readonly exit_code: number }
  | ({ readonly kind: 'file'; readonly exists: boolean; readonly contains: string } & InFile)
  | ({ readonly kind: 'pattern'; readonly pattern: string; readonly matches: boolean } & InFile)
  | ({ readonly kind: 'schema' } & InFile)
  | { readonly kind: 'http'; readonly url: string; readonly status: number; readonly contains: string }
  | {
      readonly kind: 'number'
      readonly command: string
      readonly at_least?: number | undefined
      readonly at_most?: number | undefined
    }

/** A check in one line. */
export function checkText(check: ShownCheck | null): string {
  if (check === null) return 'judged by a model'
  switch (check.kind) {
    case 'command':
      return `\`${check.command}\` exits with ${check.exit_code}`
    case 'file':
      return `${check.path} ${check.exists ? 'exists' : 'does not exist'}${check.contains === '' ? '' : ` and contains ${JSON.stringify(check.contains)}`}`
    case 'pattern':
      return `${check.path} ${check.matches ? 'matches' : 'does not match'} /${check.pattern}/`
    case 'schema':
      return `${check.path} matches its JSON Schema`
    case 'http':
      return `${check.url} answers ${check.status}${check.contains === '' ? '' : ` with ${JSON.stringify(check.contains)}`}`
    case 'number':
      return `\`${check.command}\` gives a number${check.at_least === undefined ? '' : ` ≥ ${check.at_least}`}${check.at_most === undefined ? '' : ` ≤ ${check.at_most}`}`
    default:
      return assertNever(check)
  }
}
