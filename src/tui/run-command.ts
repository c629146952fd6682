/** What each slash command does. */
import { type Entered, screenCommands, type SlashCommand } from '../terminal/index.ts'
import { noticeMs } from './limits.ts'
import { openSearch, showMatch } from './scrolling.ts'
import type { Effect, State, Step, Surroundings, ThemeName } from './state.ts'
import { note } from './transcript.ts'

/** Runs a slash command that the person has entered. */
export function runCommand(state: State, { name, argument }: Entered, around: Surroundings): Step {
  const does = (...effects: readonly Effect[]): Step => [state, effects]
  switch (name) {
    case 'new':
      return does({ type: 'new', title: argument })
    case 'sessions':
      return does({ type: 'list_sessions' })
    case 'switch':
      return argument === '' ? does({ type: 'list_sessions' }) : does({ type: 'open', prefix: argument })
    case 'continue':
      return does({ type: 'open_newest' })
    case 'cancel':
      return state.transcript.turn === null ? [tell(state, 'No turn is running.'), []] : does({ type: 'cancel' })
    case 'cancelall':
      return does({ type: 'cancel_all' })
    case 'model':
      return does(argument === '' ? { type: 'list_models' } : { type: 'choose_model', model: argument })
    case 'agent':
    case 'persona':
      return does(argument === '' ? { type: 'list_definitions' } : { type: 'choose_agent', agent: argument })
    case 'cost':
      return does({ type: 'cost' })
    case 'agents':
      return does({ type: 'watch_agents', isFirst: true })
    case 'tell':
    case 'pause':
    case 'raise':
    case 'kill':
      return agentCommand(state, name, argument)
    case 'undo':
      return does(argument === '' ? { type: 'list_turns' } : { type: 'preview_undo', input: { turn: argument }, title: '' })
    case 'redo':
      return does({ type: 'preview_undo', input: { redo: true }, title: '' })
    case 'approve':
      return state.question === null
        ? does({ type: 'list_approvals' })
        : [{ ...state, question: { ...state.question, focused: true, focusedAt: state.now } }, []]
    case 'attach':
      return argument === '' ? [tell({ ...state, files: [] }, 'No files are attached.'), []] : does({ type: 'attach', path: argument })
    case 'find':
      return argument === '' ? [openSearch(state, around), []] : showMatch(openSearch(state, around, argument), 0, around)
    case 'details':
      return [{ ...state, allOpen: !state.allOpen, toggled: new Set() }, []]
    case 'theme':
      return themeCommand(state, argument)
    case 'status':
      return does({ type: 'show_status' })
    case 'help':
      return [{ ...state, transcript: note(state.transcript, `help-${around.now()}`, 'info', helpText(state.own)), scroll: null }, []]
    case 'quit':
      return does({ type: 'exit' })
    default:
      return sessionCommand(state, { name, argument })
  }
}

const agentUsage = {
  tell: '/tell reader also look at notes.md',
  pause: '/pause reader',
  raise: '/raise reader 50000',
  kill: '/kill reader',
} as const

function agentCommand(state: State, verb: keyof typeof agentUsage, argument: string): Step {
  const [, agent = '', rest = ''] = /^(\S*)\s*(.*)$/s.exec(argument) ?? []
  const isWhole = agent !== '' && (verb === 'tell' ? rest !== '' : verb === 'raise' ? /^[1-9]\d{0,14}$/.test(rest) : rest === '')
  if (!isWhole) return [tell(state, `For example: ${agentUsage[verb]}`), []]
  return [state, [{ type: 'control_agent', verb, agent, argument: rest }]]
}

/** Commands that need a session. */
function sessionCommand(state: State, { name, argument }: Pick<Entered, 'name' | 'argument'>): Step {
  if (state.session === null) return [tell(state, 'There is no session yet: send a message first.'), []]
  switch (name) {
    case 'fork':
      return [state, [{ type: 'fork', message: /^#?\d{1,15}$/.test(argument) ? Number(argument.replace('#', '')) : null }]]
    case 'rename':
      return argument === '' ? [tell(state, 'Give a title: /rename Taxes 2026'), []] : [state, [{ type: 'rename', title: argument }]]
    case 'archive':
      return [state, [{ type: 'archive' }]]
    case 'prompt':
      return [state, [{ type: 'prompt', words: argument.split(/\s+/) }]]
    case 'compact':
      return [tell(state, 'Summarizing older messages …'), [{ type: 'compact' }]]
    default:
      return [state, []]
  }
}

function themeCommand(state: State, argument: string): Step {
  const themes: readonly string[] = ['light', 'dark'] satisfies readonly ThemeName[]
  if (state.theme === 'plain') return [tell(state, 'Colours are off: NO_COLOR is set.'), []]
  if (themes.includes(argument)) return [state, [{ type: 'set_theme', theme: argument as ThemeName }]]
  return [state, [{ type: 'set_theme', theme: state.theme === 'dark' ? 'light' : 'dark' }]]
}

function tell(state: State, text: string): State {
  return { ...state, notice: { text, isError: false, until: state.now + noticeMs } }
}

function helpText(own: readonly SlashCommand[]): string {
  const rowOf = ({ name, argument, help }: SlashCommand) => [`/${name} ${argument}`.trim(), help] as const
  const rows = [
    ...screenCommands.map(rowOf),
    ['', ''] as const,
    ...(own.length === 0 ? [] : [...own.map(rowOf), ['', ''] as const]),
    ...keyHelp,
  ]
  const width = Math.max(...rows.map(([key]) => key.length))
  return rows.map(([key, what]) => (key === '' ? '' : `${key.padEnd(width)}  ${what}`)).join('\n')
}

/** Keys, for the help. */
const keyHelp: readonly (readonly [key: string, what: string])[] = [
  ['Enter', 'send; while a turn runs, the agent reads it at its next step'],
  ['Shift+Enter, Alt+Enter, Ctrl+J', 'new line'],
  ['Up, Down', 'move in the text, then through earlier messages'],
  ['@', 'complete a file: of the workspace, or ./ ~/ / to attach your own'],
  ['Tab', 'complete; answer a question that waits'],
  ['Esc', 'close what is open; stop the running turn'],
  ['Ctrl+C', 'stop the turn, else clear the text; twice: leave'],
  ['PgUp, PgDn, wheel', 'scroll; Ctrl+Home and Ctrl+End go to the ends'],
  ['Ctrl+F', 'search this conversation'],
  ['Ctrl+O', 'unfold or fold all calls and reasoning'],
  ['Alt+Up, Alt+Down', 'select a call; Enter unfolds it, as does a click'],
  ['Ctrl+W, Ctrl+U, Ctrl+K, Ctrl+Y', 'delete a word, to the start, to the end; insert it again'],
  ['Ctrl+_', 'undo in the editor'],
  ['Ctrl+Z', 'suspend; fg returns'],
  ['Ctrl+L', 'draw the screen again'],
]
