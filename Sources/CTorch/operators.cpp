// Any operator, by its name, through libtorch's dispatcher.

#include "boundary.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/version.h>

#include <optional>
#include <vector>

namespace {

// What an argument wants, looked up once per operator: an integer given where a real is wanted becomes one, and a
// list of tensors takes the form (with or without None) that the schema asks for.
struct Argument {
    bool real, realList, optionalTensors;
    std::optional<c10::IValue> fallback;
};

struct Operator {
    c10::OperatorHandle handle;
    std::vector<Argument> arguments;
    std::string name;
};

c10::TypePtr unwrapped(c10::TypePtr type) {
    if (auto optional = type->cast<c10::OptionalType>()) return optional->getElementType();
    return type;
}

c10::IValue value(const ct_value &v, const Argument *argument) {
    switch (v.tag) {
    case CT_NONE:
        return c10::IValue();
    case CT_TENSOR:
        return borrow(reinterpret_cast<ct_tensor>(const_cast<void *>(v.pointer)));
    case CT_INT:
        if (argument && argument->real) return static_cast<double>(v.integer);
        return v.integer;
    case CT_DOUBLE:
        return v.real;
    case CT_BOOL:
        return v.integer != 0;
    case CT_STRING:
        return std::string(static_cast<const char *>(v.pointer));
    case CT_INT_LIST: {
        auto items = static_cast<const int64_t *>(v.pointer);
        if (argument && argument->realList) return std::vector<double>(items, items + v.count);
        return c10::List<int64_t>(c10::ArrayRef<int64_t>(items, v.count));
    }
    case CT_BOOL_LIST: {
        auto items = static_cast<const int64_t *>(v.pointer);
        c10::List<bool> list;
        for (int32_t i = 0; i < v.count; i++) list.push_back(items[i] != 0);
        return list;
    }
    case CT_DOUBLE_LIST: {
        auto items = static_cast<const double *>(v.pointer);
        return c10::List<double>(c10::ArrayRef<double>(items, v.count));
    }
    case CT_SCALAR_LIST: {
        auto items = static_cast<const double *>(v.pointer);
        c10::List<std::optional<at::Scalar>> list;
        for (int32_t i = 0; i < v.count; i++) list.push_back(at::Scalar(items[i]));
        return list;
    }
    case CT_TENSOR_LIST: {
        auto items = static_cast<const ct_tensor *>(v.pointer);
        if (argument && argument->optionalTensors) {
            c10::List<std::optional<at::Tensor>> list;
            list.reserve(v.count);
            for (int32_t i = 0; i < v.count; i++)
                list.push_back(items[i] ? std::optional<at::Tensor>(borrow(items[i])) : std::nullopt);
            return list;
        }
        c10::List<at::Tensor> list;
        list.reserve(v.count);
        for (int32_t i = 0; i < v.count; i++) list.push_back(borrow(items[i]));
        return list;
    }
    case CT_DEVICE:
        return device(v.integer);
    case CT_GENERATOR:
        return *generator(v.pointer);
    default:
        TORCH_CHECK(false, "unknown value tag ", v.tag);
    }
}

void store(c10::IValue &result, ct_value *out, size_t capacity, size_t *produced) {
    auto add = [&](ct_value v) {
        TORCH_CHECK(*produced < capacity, "the operator gives more than ", capacity, " results");
        out[(*produced)++] = v;
    };
    if (result.isTensor()) {
        add({CT_TENSOR, 1, 0, 0, give(std::move(result).toTensor())});
    } else if (result.isInt()) {
        add({CT_INT, 1, result.toInt(), 0, nullptr});
    } else if (result.isDouble()) {
        add({CT_DOUBLE, 1, 0, result.toDouble(), nullptr});
    } else if (result.isBool()) {
        add({CT_BOOL, 1, result.toBool() ? 1 : 0, 0, nullptr});
    } else if (result.isTensorList()) {
        for (at::Tensor t : result.toTensorVector()) add({CT_TENSOR, 1, 0, 0, give(std::move(t))});
    } else if (result.isNone()) {
        add({CT_NONE, 0, 0, 0, nullptr});
    } else {
        TORCH_CHECK(false, "results of type ", result.type()->str(), " are not handled");
    }
}

} // namespace

void ct_message_free(char *message) { std::free(message); }

ct_status ct_operator_find(const char *name, const char *overload, ct_operator *out) {
    return guarded([&] {
        auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
        TORCH_CHECK(handle, "this libtorch (", TORCH_VERSION, ") has no operator ", name, ".", overload);
        auto *op = new Operator{*handle, {}, name};
        for (auto &argument : handle->schema().arguments()) {
            auto type = unwrapped(argument.real_type());
            bool optionalTensors = false, realList = false;
            if (auto list = type->cast<c10::ListType>()) {
                optionalTensors = list->getElementType()->kind() == c10::TypeKind::OptionalType;
                realList = list->getElementType()->kind() == c10::TypeKind::FloatType;
            }
            op->arguments.push_back(
                {type->kind() == c10::TypeKind::FloatType, realList, optionalTensors, argument.default_value()});
        }
        *out = reinterpret_cast<ct_operator>(op);
    });
}

ct_status ct_call(ct_operator reference, const ct_value *inputs, size_t count, ct_value *out, size_t capacity,
                  size_t *produced) {
    *produced = 0;
    return guarded([&] {
        auto *op = reinterpret_cast<Operator *>(reference);
        TORCH_CHECK(count <= op->arguments.size(), op->name, " takes ", op->arguments.size(), " arguments, not ", count);
        torch::jit::Stack stack;
        stack.reserve(op->arguments.size());
        for (size_t i = 0; i < op->arguments.size(); i++) {
            auto &argument = op->arguments[i];
            if (i < count && inputs[i].tag != CT_DEFAULT) {
                stack.push_back(value(inputs[i], &argument));
            } else {
                TORCH_CHECK(argument.fallback, op->name, ": argument ", i, " has no default");
                stack.push_back(*argument.fallback);
            }
        }
        op->handle.callBoxed(&stack);
        for (auto &result : stack) store(result, out, capacity, produced);
    });
}
