// SPDX-License-Identifier: GPL-2.0
/*
 * Refusals: pure decisions, no side effects, any context. Also built in user
 * space (tests/unit). What is refused and why: DESIGN and README, "Refusals".
 */
#include <pagehint/checks.h>

#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/string.h>
#else
#include <stdio.h>
#include <string.h>
#endif

#define refuse(error, ...)						\
({									\
	snprintf(why, PAGEHINT_WHY_BYTES, __VA_ARGS__);			\
	-(error);							\
})

/**
 * pagehint_check_environment - may frames of this kernel be dropped while free?
 * @env: what was found
 * @why: the sentence when refused
 *
 * Each of these keeps something in a free page, or takes it away from us, that
 * a drop would destroy.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int pagehint_check_environment(const struct pagehint_environment *env, char *why)
{
	if (env->page_poison)
		return refuse(EOPNOTSUPP,
			      "page_poison=1 expects its pattern in free pages, which a host would drop: boot without page_poison=1");
	if (env->debug_pagealloc)
		return refuse(EOPNOTSUPP,
			      "debug_pagealloc unmaps free pages and may poison them: boot without debug_pagealloc=on");
	if (env->kasan)
		return refuse(EOPNOTSUPP,
			      "KASAN tracks and quarantines freed pages: use a kernel without CONFIG_KASAN");
	if (env->kmsan)
		return refuse(EOPNOTSUPP,
			      "KMSAN tracks the content of freed pages: use a kernel without CONFIG_KMSAN");
	if (env->confidential)
		return refuse(EOPNOTSUPP,
			      "this is a confidential guest (encrypted memory): its host can neither see nor take pages this way, do not load pagehint here");
	return 0;
}

/**
 * pagehint_is_clone_of - is @symbol a clone that the compiler made of @name?
 * @name: a function
 * @symbol: a name from kallsyms
 *
 * NAME.isra.0, NAME.constprop.0 and NAME.part.0 are called in NAME's stead, so
 * a hook on NAME would miss calls. NAME.cold is only NAME's unlikely half.
 *
 * Return: true for a clone that takes calls away from @name.
 */
bool pagehint_is_clone_of(const char *name, const char *symbol)
{
	size_t length = strlen(name);

	if (strncmp(symbol, name, length) || symbol[length] != '.')
		return false;
	return strcmp(symbol + length, ".cold");
}

/**
 * pagehint_check_symbol - can this function be hooked so that no call escapes?
 * @symbol: what kallsyms and ftrace know of it
 * @why: the sentence when refused
 *
 * Return: 0, -ENOENT (missing or not traceable) or -EOPNOTSUPP (ambiguous).
 */
int pagehint_check_symbol(const struct pagehint_symbol *symbol, char *why)
{
	if (symbol->twin[0])
		return refuse(EOPNOTSUPP,
			      "function %s has a clone %s beside it, whose calls a hook would miss: this kernel build is not supported, report its version",
			      symbol->name, symbol->twin);
	if (!symbol->definitions || !symbol->address)
		return refuse(ENOENT,
			      "function %s is not in this kernel (inlined, renamed, or kallsyms restricted): this kernel build is not supported, report its version",
			      symbol->name);
	if (symbol->definitions > 1)
		return refuse(EOPNOTSUPP,
			      "%u functions are named %s and only one is meant: this kernel build is not supported, report its version",
			      symbol->definitions, symbol->name);
	if (!symbol->site)
		return refuse(ENOENT,
			      "function %s has no ftrace site (notrace, or CONFIG_DYNAMIC_FTRACE is off): this kernel build is not supported, report its version",
			      symbol->name);
	return 0;
}

/**
 * pagehint_check_attach_error - say why ftrace or a tracepoint refused a hook
 * @target: what was to be hooked
 * @error: negative errno of the registration
 * @own_function: it was our own dummy function, which nobody else hooks
 * @why: the sentence
 *
 * Return: @error.
 */
int pagehint_check_attach_error(const char *target, int error, bool own_function,
				char *why)
{
	if (error == -ENODEV)
		return refuse(ENODEV,
			      "ftrace has shut itself down after an internal error (see the log above) and cannot hook %s: reboot",
			      target);
	if (error == -EBUSY && own_function)
		return refuse(EBUSY,
			      "ftrace is switched off: set sysctl kernel.ftrace_enabled=1 and load again");
	if (error == -EBUSY)
		return refuse(EBUSY,
			      "%s is already redirected by somebody else (a livepatch? a BPF program?): see /sys/kernel/tracing/enabled_functions (flags I, D), remove that user and load again",
			      target);
	snprintf(why, PAGEHINT_WHY_BYTES,
		 "%s could not be hooked (error %d): report it with the kernel's version",
		 target, error);
	return error;
}

/**
 * pagehint_check_table_size - does the shared memory hold the guest's table?
 * @table_bytes: state bytes that the guest's memory needs
 * @bar_bytes: what the device has, header included
 * @why: the sentence when refused
 *
 * Return: 0 or -ENOSPC.
 */
int pagehint_check_table_size(u64 table_bytes, u64 bar_bytes, char *why)
{
	u64 need = PAGEHINT_HEADER_BYTES + table_bytes;
	u64 size = PAGEHINT_HEADER_BYTES;

	if (bar_bytes >= need)
		return 0;
	while (size < need)
		size *= 2;
	return refuse(ENOSPC,
		      "the table device has %llu KiB and this guest's memory needs %llu KiB: start the VM with size=%lluK for the memory backend of ivshmem-plain",
		      (unsigned long long)(bar_bytes >> 10),
		      (unsigned long long)((need + 1023) >> 10),
		      (unsigned long long)(size >> 10));
}

/**
 * pagehint_check_caching - is the table mapped as ordinary memory?
 * @caching: what the page tables say
 * @address: of the BAR, for the sentence
 * @why: the sentence when refused
 *
 * An uncached table makes every page allocation a bus access.
 *
 * Return: 0 or -EOPNOTSUPP.
 */
int pagehint_check_caching(enum pagehint_caching caching, u64 address, char *why)
{
	if (caching == PAGEHINT_WRITE_BACK)
		return 0;
	return refuse(EOPNOTSUPP,
		      "the table at %#llx %s: the BAR must lie above 4 GiB (64-bit, prefetchable) where the firmware's MTRRs allow it",
		      (unsigned long long)address,
		      caching == PAGEHINT_NOT_WRITE_BACK ?
		      "is not mapped write-back" : "has an unknown memory type");
}

/**
 * pagehint_check_header - is this memory ours to write to?
 * @header: a copy of the device's first page
 * @why: the sentence when refused
 *
 * Either nobody wrote the guest's line yet, or a pagehint guest did: an
 * earlier kernel, which may have been of another version. Anything else is
 * somebody else's shared memory.
 *
 * Return: 0 or -EINVAL.
 */
int pagehint_check_header(const struct pagehint_header *header, char *why)
{
	if (header->magic && header->magic != PAGEHINT_MAGIC)
		return refuse(EINVAL,
			      "the ivshmem device is not a pagehint table: expected magic %#llx or zeros, found %#llx; give the VM a memory file of its own for the table",
			      PAGEHINT_MAGIC, (unsigned long long)header->magic);
	if (header->magic && header->header_bytes != PAGEHINT_HEADER_BYTES)
		return refuse(EINVAL,
			      "the table's header says %u bytes, expected %u: it is damaged or of a version to come; zero the table file on the host",
			      header->header_bytes, PAGEHINT_HEADER_BYTES);
	return 0;
}

/**
 * pagehint_check_host - can we speak with the host that wrote its line?
 * @header: a copy of the header page
 * @need_zeros: init_on_free=1: allocations rely on free pages being zero
 * @why: the sentence when refused
 *
 * No host yet (all zero) is no reason to refuse; a generation without the rest
 * is. @header may be the page itself, which the host writes to meanwhile: what
 * is found good is what is read, once.
 *
 * Return: 0, -EINVAL (not a host), -EPROTO (version or features) or
 * -EOPNOTSUPP (the host lacks something).
 */
int pagehint_check_host(const struct pagehint_header *header, bool need_zeros,
			char *why)
{
	u64 magic = READ_ONCE(header->host_magic);
	u32 version = READ_ONCE(header->host_version);
	u64 features = READ_ONCE(header->host_features);

	if (!magic && !READ_ONCE(header->host_gen))
		return 0;
	if (magic != PAGEHINT_HOST_MAGIC)
		return refuse(EINVAL,
			      "the host's part of the table is not pagehintd's: expected magic %#llx, found %#llx; zero the table file on the host",
			      PAGEHINT_HOST_MAGIC, (unsigned long long)magic);
	if (version != PAGEHINT_VERSION)
		return refuse(EPROTO,
			      "the host speaks version %u of the table and this module version %u: upgrade the older of pagehintd and pagehint.ko",
			      version, PAGEHINT_VERSION);
	if (features & ~PAGEHINT_F_ALL)
		return refuse(EPROTO,
			      "the host has features %#llx (version %u) of which this module (version %u) knows only %#llx: upgrade pagehint.ko",
			      (unsigned long long)features, version,
			      PAGEHINT_VERSION, PAGEHINT_F_ALL);
	if (need_zeros && !(features & PAGEHINT_F_ZERO))
		return refuse(EOPNOTSUPP,
			      "init_on_free=1 needs a host whose dropped pages read as zeros (feature bit 3): upgrade pagehintd or boot with init_on_free=0");
	return 0;
}

/**
 * pagehint_check_answer - can we speak with the host that answered a query?
 * @ret: what the call returned
 * @host: what it wrote
 * @need_zeros: as in pagehint_check_host()
 * @why: the sentence when refused
 *
 * Return: 0, -EOPNOTSUPP (no host, or it lacks something) or -EPROTO (version or
 * features).
 */
int pagehint_check_answer(long ret, const struct pagehint_hc_query *host, bool need_zeros,
			  char *why)
{
	if (ret)
		return refuse(EOPNOTSUPP,
			      "the KVM host does not answer (%ld): it needs the module pagehint_kvm, loaded before the guest loads this one",
			      ret);
	if (host->version != PAGEHINT_VERSION)
		return refuse(EPROTO,
			      "the KVM host speaks version %u of the hypercalls and this module version %u: upgrade the older of pagehint_kvm.ko and pagehint.ko",
			      host->version, PAGEHINT_VERSION);
	if (host->features & ~PAGEHINT_F_ALL)
		return refuse(EPROTO,
			      "the KVM host has features %#llx (version %u) of which this module (version %u) knows only %#llx: upgrade pagehint.ko",
			      (unsigned long long)host->features, host->version,
			      PAGEHINT_VERSION, PAGEHINT_F_ALL);
	if (!(host->features & PAGEHINT_F_UNUSED) || !host->cookie || !host->max_entries)
		return refuse(EOPNOTSUPP,
			      "the KVM host takes no free memory (features %#llx, expected bit 0; %u entries): upgrade pagehint_kvm.ko",
			      (unsigned long long)host->features, host->max_entries);
	if (need_zeros && !(host->features & PAGEHINT_F_ZERO))
		return refuse(EOPNOTSUPP,
			      "init_on_free=1 needs a host whose dropped pages read as zeros (feature bit 3): upgrade pagehint_kvm.ko or boot with init_on_free=0");
	return 0;
}
