// What a plugin's `control.ts` is: its side on the main thread, where it may wait, start programs
// and speak to the store. Each host that runs the plugin has one, as long as its agent runs.

import type { JsonSchema } from '../../core/config/schema.ts'
import type { Running } from '../../core/lifecycle.ts'
import { type Given, type Needs, type Token, token } from '../../core/token.ts'

/** The host whose agent a control side belongs to. */
export interface ThisHost {
  readonly id: string
  readonly name: string
  /** Path of the network namespace its packets live in; null or left out: the process's own. */
  readonly netns?: string | null
}
export const ThisHost = token<ThisHost>('this-host')

/** A route of the REST API: `/hosts/{id}/<plugin><path>`. */
export interface ControlRoute {
  /** The request's. */
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Begins with `/`; '' for the plugin's own path. */
  readonly path: string
  /** What the OpenAPI document calls the operation, and `Api.answer` the route. */
  readonly id: string
  /** One sentence for the document. */
  readonly summary: string
  /** Parameters of the query, by name; others are refused. */
  readonly query?: Readonly<Record<string, JsonSchema>>
  /** Of the request; left out: it takes none. */
  readonly body?: JsonSchema
  /** Of the answer; left out: there is none (204). */
  readonly answer?: JsonSchema
}

/** A request that met a route. */
export interface ControlRequest {
  /** Parameters, by name. */
  readonly query: Readonly<Record<string, string>>
  /** As it came: `body` of the route describes it, whoever answers checks it. */
  readonly body: unknown
}

/** Gives the answer's body. A MezzoError is told to the client; others are a fault of ours. */
export type AnswerRequest = (request: ControlRequest) => unknown

/** The routes that the plugin has declared. */
export interface Api {
  /** Answers requests for this host. Throws NOT_FOUND for a route that is not declared. */
  answer(route: string, answer: AnswerRequest): void
}
export const Api = token<Api>('api')

/** What an operator would not notice before it hurts: in `GET /hosts` and `/health`. */
export interface Notes {
  /** In place of what the plugin said before; none: all is well. */
  say(notes: readonly string[]): void
}
export const Notes = token<Notes>('notes')

/** Takes a service that a control side provides. */
export type Provide = <T>(token: Token<T>, service: T) => void

/** A plugin's side on the main thread. */
export interface Control<N extends Needs = Needs, S = object> {
  /** The plugin's: that of its folder. */
  readonly name: string
  /** Services it asks for, under names of its own. */
  readonly needs: N
  /** Services that other control sides may need. */
  readonly provides?: readonly Token<unknown>[]
  /** There while the program runs, answered by hosts whose agents run. */
  readonly routes?: readonly ControlRoute[]
  /**
   * `settings` are its section of the configuration, complete; `provide` takes each service of
   * `provides`. What it gives starts with the agent and stops before it.
   */
  setup(given: Given<N>, settings: S, provide: Provide): Running | undefined
}
