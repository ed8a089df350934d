/* SPDX-License-Identifier: Apache-2.0
 *
 * Arguments in, numbers out: the little of Node-API that every function needs.
 */
#include <malloc.h>
#include <string.h>
#include "addon.h"

struct args take_args(napi_env env, napi_callback_info info)
{
	struct args a = { .env = env, .n = ARGS_MAX };

	if (napi_get_cb_info(env, info, &a.n, a.v, NULL, NULL) != napi_ok)
		a.n = 0;
	if (a.n > ARGS_MAX)
		a.n = ARGS_MAX;
	return a;
}

napi_value number(napi_env env, double value)
{
	napi_value v = NULL;

	napi_create_double(env, value, &v);
	return v;
}

uint32_t arg_u32(struct args *a, size_t i)
{
	uint32_t value = 0;

	if (i < a->n)
		napi_get_value_uint32(a->env, a->v[i], &value);
	return value;
}

bool arg_bool(struct args *a, size_t i)
{
	bool value = false;

	if (i < a->n)
		napi_get_value_bool(a->env, a->v[i], &value);
	return value;
}

void arg_text(struct args *a, size_t i, char *into, size_t size)
{
	size_t length = 0;

	into[0] = 0;
	if (i >= a->n || napi_get_value_string_utf8(a->env, a->v[i], NULL, 0, &length) != napi_ok ||
	    length >= size)
		return;
	napi_get_value_string_utf8(a->env, a->v[i], into, size, &length);
}

static const uint8_t element_size[] = {
	[napi_int8_array] = 1, [napi_uint8_array] = 1, [napi_uint8_clamped_array] = 1,
	[napi_int16_array] = 2, [napi_uint16_array] = 2, [napi_int32_array] = 4,
	[napi_uint32_array] = 4, [napi_float32_array] = 4, [napi_float64_array] = 8,
	[napi_bigint64_array] = 8, [napi_biguint64_array] = 8,
};

struct span arg_span(struct args *a, size_t i)
{
	struct span s = { NULL, 0 };
	napi_typedarray_type type;
	void *at = NULL;
	size_t length = 0;

	if (i >= a->n ||
	    napi_get_typedarray_info(a->env, a->v[i], &type, &length, &at, NULL, NULL) != napi_ok ||
	    (size_t)type >= sizeof(element_size))
		return s;
	s.at = at;
	s.len = length * element_size[type];
	return s;
}

struct host *arg_host(struct args *a, size_t i)
{
	struct host *h = NULL;
	napi_valuetype type;

	if (i >= a->n || napi_typeof(a->env, a->v[i], &type) != napi_ok || type != napi_external ||
	    napi_get_value_external(a->env, a->v[i], (void **)&h) != napi_ok)
		return NULL;
	return h != NULL && h->magic == HOST_MAGIC && h->open ? h : NULL;
}

/* trim(): gives what malloc holds back to the kernel, of all threads */
napi_value trim_memory(napi_env env, napi_callback_info info)
{
	(void)info;
	return number(env, malloc_trim(0));
}
